-- Every statement the bank runs, by name.

-- name: create_bank
-- Make a bank unless one has the name.
insert into skillbank.bank (id, tenant, name) values (%(bank_id)s, %(tenant)s, %(name)s)
on conflict (tenant, name) do nothing;

-- name: find_bank
-- The id of the tenant's bank with a name.
select id from skillbank.bank where tenant = %(tenant)s and name = %(name)s;

-- name: show_bank
-- Whose rows the rest of the transaction sees, and of which bank.
select set_config('skillbank_rls.tenant', %(tenant)s, true),
       set_config('skillbank_rls.bank', %(bank_id)s, true);

-- name: show_bank_to_read
-- The same, and no statement is planned anew for its values: planning costs as much as
-- answering. A plan for any bank must not read whole tables, which suits the largest only.
-- An index over vectors looks at 100 candidates, which decides its recall.
select set_config('skillbank_rls.tenant', %(tenant)s, true),
       set_config('skillbank_rls.bank', %(bank_id)s, true),
       set_config('plan_cache_mode', 'force_generic_plan', true),
       set_config('enable_seqscan', 'off', true),
       set_config('hnsw.ef_search', '100', true);

-- name: lock_bank
-- Wait for the bank's write lock and hold it to the end of the transaction.
select pg_advisory_xact_lock(hashtextextended('skillbank.bank ' || %(bank_id)s::text, 0));

-- name: bank_state
-- A bank's revision and size.
select revision, skill_count from skillbank.bank where id = %(bank_id)s;

-- name: advance_bank
-- Make a write's revision the bank's.
update skillbank.bank set revision = %(revision)s, skill_count = %(skill_count)s
where id = %(bank_id)s;

-- name: find_outcome
-- What a write came to, by its key.
select outcome::text as outcome from skillbank.outcome
where bank_id = %(bank_id)s and key = %(key)s;

-- name: insert_outcome
-- Remember what a write came to.
insert into skillbank.outcome (bank_id, key, outcome)
values (%(bank_id)s, %(key)s, %(outcome)s::jsonb);

-- name: skills
-- One version per skill at a revision: the latest with a status that none supersedes.
select distinct on (s.skill_id) s.*
from skillbank.skill s
where s.bank_id = %(bank_id)s
  and s.from_revision <= %(revision)s and %(revision)s < s.to_revision
  and (%(status)s::text is null or s.status = %(status)s)
  and not exists (
      select from skillbank.status later
      where later.bank_id = s.bank_id and later.skill_id = s.skill_id
        and later.version > s.version and later.status = 'active'
        and later.from_revision <= %(revision)s and %(revision)s < later.to_revision
  )
order by s.skill_id, s.version desc;

-- name: versions
-- Every version of some skills, with its status at a revision.
select s.* from skillbank.skill s
where s.bank_id = %(bank_id)s and s.skill_id = any(%(skill_ids)b::text[]::uuid[])
  and s.from_revision <= %(revision)s and %(revision)s < s.to_revision
order by s.skill_id, s.version;

-- name: holders
-- The versions that have one of some texts.
select s.* from skillbank.skill s
where s.bank_id = %(bank_id)s and s.digest = any(%(digests)b::text[])
  and s.to_revision = 9223372036854775807;

-- name: insert_version
-- Store versions' texts. Long columns of text travel in binary, which needs no quoting.
insert into skillbank.version (
    bank_id, skill_id, version, title, principle, when_to_apply, kind, category,
    provenance, digest, active, created_revision
)
select %(bank_id)s, new.skill_id::uuid, new.version, new.title, new.principle,
       new.when_to_apply, new.kind, new.category, new.provenance::jsonb, new.digest,
       case when new.status = 'active'
            then int8multirange(int8range(%(revision)s, null)) else '{}' end,
       %(revision)s
from unnest(
    %(skill_ids)b::text[], %(versions)s::int[], %(titles)b::text[], %(principles)b::text[],
    %(whens)b::text[], %(kinds)b::text[], %(categories)b::text[], %(provenances)b::text[],
    %(digests)b::text[], %(statuses)b::text[]
) as new (
    skill_id, version, title, principle, when_to_apply, kind, category, provenance, digest,
    status
);

-- name: end_status
-- Let versions' present statuses end at a revision.
update skillbank.status s set to_revision = %(revision)s
from unnest(%(skill_ids)b::text[], %(versions)s::int[]) as ended (skill_id, version)
where s.bank_id = %(bank_id)s and s.skill_id = ended.skill_id::uuid and s.version = ended.version
  and s.to_revision = 9223372036854775807;

-- name: insert_status
-- Let versions have a status from a revision on.
insert into skillbank.status (bank_id, skill_id, version, status, status_reason, from_revision)
select %(bank_id)s, new.skill_id::uuid, new.version, new.status, new.reason, %(revision)s
from unnest(
    %(skill_ids)b::text[], %(versions)s::int[], %(statuses)b::text[], %(reasons)b::text[]
) as new (skill_id, version, status, reason);

-- name: insert_change
-- Remember accepted changes, in order.
insert into skillbank.change (
    bank_id, revision, place, action, skill_id, version, reason, citations
)
select %(bank_id)s, %(revision)s, new.place - 1, new.action, new.skill_id::uuid, new.version,
       new.reason, new.citations::jsonb
from unnest(
    %(actions)b::text[], %(skill_ids)b::text[], %(versions)s::int[], %(reasons)b::text[],
    %(citations)b::text[]
) with ordinality as new (action, skill_id, version, reason, citations, place);

-- name: insert_lineage
-- Remember what versions were made from.
insert into skillbank.lineage (bank_id, child_id, child_version, parent_id, parent_version)
select %(bank_id)s, new.*
from unnest(
    %(child_ids)s::uuid[], %(child_versions)s::int[], %(parent_ids)s::uuid[],
    %(parent_versions)s::int[]
) as new;

-- name: changes
-- The changes a skill took part in, oldest first, each with the versions it came from.
select c.revision, c.action, c.skill_id, c.version, c.reason, c.citations,
       coalesce(
           (select json_agg(json_build_array(l.parent_id, l.parent_version)
                            order by l.parent_id, l.parent_version)
            from skillbank.lineage l
            where l.bank_id = c.bank_id and l.child_id = c.skill_id
              and l.child_version = c.version and c.action in ('revise', 'merge', 'split')),
           '[]') as parents
from skillbank.change c
where c.bank_id = %(bank_id)s
  and (c.skill_id = %(skill_id)s or exists (
      select from skillbank.lineage l
      where l.bank_id = c.bank_id and l.parent_id = %(skill_id)s
        and l.child_id = c.skill_id and l.child_version = c.version
        and c.action in ('revise', 'merge', 'split')))
order by c.revision, c.place;

-- name: search_by_age
-- Active skills at a revision, the oldest of all wanted kinds or of each kind first, each
-- with the bank's newest revision. The offset keeps the planner from reading a whole bank
-- in order of age to find a few.
select oldest.skill_id, oldest.version, (select revision from skillbank.bank where id = %(bank_id)s) as newest
from {wanted}
cross join lateral (
    select * from (
        select v.skill_id, v.version from skillbank.version v
        where v.bank_id = %(bank_id)s and {filters}
        offset 0
    ) eligible
    order by skill_id
    limit %(limit)s
) oldest
order by oldest.skill_id;

-- name: search_by_text
-- The same, the best full-text match of any word of a query first; what matches none of
-- them has rank 0.
with terms as materialized (
    select string_agg(
        '''' || replace(replace(lexeme, '\', '\\'), '''', '''''') || '''', ' | '
    )::tsquery as query
    from unnest(to_tsvector('english', %(text)s))
)
select best.*, (select revision from skillbank.bank where id = %(bank_id)s) as newest
from {wanted}
cross join lateral (
    select v.skill_id, v.version,
           coalesce(ts_rank(v.words, (select query from terms)), 0)::float8 as score
    from skillbank.version v
    where v.bank_id = %(bank_id)s and {filters}
      and (not %(matches_only)s or v.words @@ (select query from terms))
    order by score desc, v.skill_id
    limit %(limit)s
) best
order by best.score desc, best.skill_id;

-- name: search_by_vector
-- The same, the nearest first. Subtracting from 0 keeps the planner from an index that would
-- drop neighbours which fail the other conditions.
select nearest.*, (select revision from skillbank.bank where id = %(bank_id)s) as newest
from {wanted}
cross join lateral (
    select e.skill_id, e.version, 0 - (e.vector <#> %(vector)s::halfvec) as score
    from skillbank.embedding e
    where e.bank_id = %(bank_id)s and e.space_id = %(space_id)s and {filters}
    order by score desc, e.skill_id
    limit %(limit)s
) nearest
order by nearest.score desc, nearest.skill_id;

-- name: search_by_index
-- The nearest active skills of a whole bank at present, through its HNSW index.
with nearest as materialized (
    select e.skill_id, e.version,
           e.vector::halfvec({dimensions}) <#> %(vector)s::halfvec({dimensions}) as distance
    from skillbank.embedding e
    where e.bank_id = {bank_id} and e.space_id = {space_id} and upper_inf(e.active)
    order by 3
    limit %(limit)s
)
select n.skill_id, n.version, -n.distance as score, (select revision from skillbank.bank where id = %(bank_id)s) as newest
from nearest n
order by n.distance, n.skill_id;

-- name: prepare_index_build
-- Keep the whole graph in memory while it grows. Workers would share that memory, which
-- containers allow next to nothing of.
select set_config('maintenance_work_mem', '1GB', false),
       set_config('max_parallel_maintenance_workers', '0', false);

-- name: create_vector_index
-- Fast search over a large bank; without it the answers are the same, and slower.
create index concurrently if not exists {name} on skillbank.embedding
using hnsw ((vector::halfvec({dimensions})) halfvec_ip_ops) with (m = 16, ef_construction = 64)
where bank_id = {bank_id} and space_id = {space_id} and upper_inf(active);

-- name: drop_vector_index
-- Make room for a new one, or clear away one whose making was cut short.
drop index concurrently if exists skillbank.{name};

-- name: vector_index
-- Whether the index of a bank's space is complete.
select i.indisvalid as valid
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
join pg_index i on i.indexrelid = c.oid
where n.nspname = %(schema)s and c.relname = %(name)s;

-- name: prepare_index_search
-- Look at more candidates than usual.
select set_config('hnsw.ef_search', %(breadth)s::text, true);

-- name: count_embedded
-- Vectors of active skills, counted up to a limit.
select count(*) as count from (
    select from skillbank.embedding
    where bank_id = %(bank_id)s and space_id = %(space_id)s and upper_inf(active)
    limit %(limit)s
) counted;

-- name: space_at
-- The vector space a bank uses at a revision.
select s.space_id, s.model, s.dimensions, s.probe
from skillbank.space_use u
join skillbank.space s using (bank_id, space_id)
where u.bank_id = %(bank_id)s and u.from_revision <= %(revision)s
order by u.from_revision desc
limit 1;

-- name: find_space
-- A bank's space by its model.
select space_id, model, dimensions, probe from skillbank.space
where bank_id = %(bank_id)s and model = %(model)s and dimensions = %(dimensions)s;

-- name: insert_space
-- Make a space known.
insert into skillbank.space (bank_id, space_id, model, dimensions, probe)
select %(bank_id)s, coalesce(max(space_id), 0) + 1, %(model)s, %(dimensions)s, %(probe)s::halfvec
from skillbank.space where bank_id = %(bank_id)s;

-- name: insert_space_use
-- Search in a space from a revision on.
insert into skillbank.space_use (bank_id, from_revision, space_id)
values (%(bank_id)s, %(revision)s, %(space_id)s);

-- name: unembedded
-- Versions that have no vector in a space.
select s.* from skillbank.skill s
where s.bank_id = %(bank_id)s and s.to_revision = 9223372036854775807
  and not exists (
      select from skillbank.embedding e
      where e.bank_id = s.bank_id and e.space_id = %(space_id)s
        and e.skill_id = s.skill_id and e.version = s.version
  )
order by s.skill_id, s.version
limit %(limit)s;

-- name: insert_embedding
-- Put versions into a space.
insert into skillbank.embedding (
    bank_id, space_id, skill_id, version, kind, category_key, active, vector
)
select v.bank_id, %(space_id)s, v.skill_id, v.version, v.kind, v.category_key, v.active,
       new.vector
from unnest(%(skill_ids)b::text[], %(versions)s::int[], %(vectors)b::halfvec[])
    as new (skill_id, version, vector)
join skillbank.version v
    on v.bank_id = %(bank_id)s and v.skill_id = new.skill_id::uuid and v.version = new.version
on conflict do nothing;

-- name: refresh_active
-- Bring some versions' active revisions up to date with their statuses.
update skillbank.version v
set active = coalesce(
    (select range_agg(int8range(s.from_revision, nullif(s.to_revision, 9223372036854775807)))
     from skillbank.status s
     where s.bank_id = v.bank_id and s.skill_id = v.skill_id
       and s.version = v.version and s.status = 'active'),
    '{}'::int8multirange)
from unnest(%(skill_ids)b::text[], %(versions)s::int[]) as changed (skill_id, version)
where v.bank_id = %(bank_id)s and v.skill_id = changed.skill_id::uuid
  and v.version = changed.version;

-- name: refresh_embeddings
-- And their vectors' with those, in every space.
update skillbank.embedding e set active = v.active
from unnest(%(skill_ids)b::text[], %(versions)s::int[]) as changed (skill_id, version)
join skillbank.version v
    on v.bank_id = %(bank_id)s and v.skill_id = changed.skill_id::uuid
    and v.version = changed.version
where e.bank_id = v.bank_id and e.skill_id = v.skill_id and e.version = v.version;

-- name: vectors
-- The vectors of some versions in a space.
select wanted.skill_id, wanted.version, e.vector
from unnest(%(skill_ids)b::text[], %(versions)s::int[]) as wanted (skill_id, version)
join skillbank.embedding e
    on e.bank_id = %(bank_id)s and e.skill_id = wanted.skill_id::uuid
    and e.version = wanted.version and e.space_id = %(space_id)s;

-- name: all_versions
-- Every version of a bank, with its status at a revision.
select s.* from skillbank.skill s
where s.bank_id = %(bank_id)s
  and s.from_revision <= %(revision)s and %(revision)s < s.to_revision
order by s.skill_id, s.version;

-- name: moved
-- Which of some skills changed after a revision, and when last.
select skill_id, max(from_revision) as revision from skillbank.status
where bank_id = %(bank_id)s and skill_id = any(%(skill_ids)s::uuid[])
  and from_revision > %(since)s
group by skill_id;

-- name: insert_snapshot
-- Give a revision a name.
insert into skillbank.snapshot (bank_id, name, revision, note)
values (%(bank_id)s, %(name)s, %(revision)s, %(note)s);

-- name: snapshots
-- The named revisions, oldest first.
select name, revision, note from skillbank.snapshot
where bank_id = %(bank_id)s order by revision, created_at, name;

-- name: keep_document
-- Store a bank's document.
insert into skillbank.document (bank_id, name, body) values (%(bank_id)s, %(name)s, %(body)s)
on conflict (bank_id, name) do update set body = excluded.body;

-- name: find_document
-- A bank's document.
select body from skillbank.document where bank_id = %(bank_id)s and name = %(name)s;

-- name: insert_episode
-- Append an episode to the evidence log unless it is in it.
insert into skillbank.episode (
    bank_id, episode_id, group_id, success, reward, bank_revision, retrieval
) values (
    %(bank_id)s, %(episode_id)s, %(group_id)s, %(success)s, %(reward)s, %(bank_revision)s,
    %(retrieval)s::jsonb
) on conflict (bank_id, episode_id) do nothing;

-- name: insert_exposure
-- Append each skill's part in an episode.
insert into skillbank.exposure (
    bank_id, episode_id, skill_id, version, shown, propensity, corrupted
)
select %(bank_id)s, %(episode_id)s, new.*
from unnest(
    %(skill_ids)s::uuid[], %(versions)s::int[], %(shown)s::bool[], %(propensities)s::float8[],
    %(corrupted)s::bool[]
) as new;

-- name: evidence
-- A skill's part in the recorded episodes, in the order of recording.
select x.skill_id::text as skill_id, x.version, x.shown, x.propensity, x.corrupted,
       e.success, e.reward, e.episode_id, e.group_id, e.bank_revision
from skillbank.exposure x
join skillbank.episode e using (bank_id, episode_id)
where x.bank_id = %(bank_id)s and x.skill_id = %(skill_id)s
order by e.place;

-- name: all_evidence
-- Every skill's part in the recorded episodes, in the order of recording.
select x.skill_id::text as skill_id, x.version, x.shown, x.propensity, x.corrupted,
       e.success, e.reward, e.episode_id, e.group_id, e.bank_revision
from skillbank.exposure x
join skillbank.episode e using (bank_id, episode_id)
where x.bank_id = %(bank_id)s
order by e.place, x.skill_id;

-- name: gather_statistics
-- Tell the planner what was just written.
select skillbank.gather_statistics();
