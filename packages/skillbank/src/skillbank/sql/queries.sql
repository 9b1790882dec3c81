-- Every statement the bank runs, by name.

-- name: create_bank
-- Make a bank unless one has the name.
insert into skillbank.bank (id, name) values (%(bank_id)s, %(name)s)
on conflict (name) do nothing;

-- name: find_bank
-- The id of the bank with a name.
select id from skillbank.bank where name = %(name)s;

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
where s.bank_id = %(bank_id)s and s.skill_id = any(%(skill_ids)s::uuid[])
  and s.from_revision <= %(revision)s and %(revision)s < s.to_revision
order by s.skill_id, s.version;

-- name: holders
-- The versions that have one of some texts.
select s.* from skillbank.skill s
where s.bank_id = %(bank_id)s and s.digest = any(%(digests)s::text[])
  and s.to_revision = 9223372036854775807;

-- name: insert_version
-- Store a version's text.
insert into skillbank.version (
    bank_id, skill_id, version, title, principle, when_to_apply, kind, category,
    provenance, digest, created_revision
) values (
    %(bank_id)s, %(skill_id)s, %(version)s, %(title)s, %(principle)s, %(when_to_apply)s,
    %(kind)s, %(category)s, %(provenance)s::jsonb, %(digest)s, %(revision)s
);

-- name: end_status
-- Let a version's present status end at a revision.
update skillbank.status set to_revision = %(revision)s
where bank_id = %(bank_id)s and skill_id = %(skill_id)s and version = %(version)s
  and to_revision = 9223372036854775807;

-- name: insert_status
-- Let a version have a status from a revision on.
insert into skillbank.status (bank_id, skill_id, version, status, status_reason, from_revision)
values (%(bank_id)s, %(skill_id)s, %(version)s, %(status)s, %(status_reason)s, %(revision)s);

-- name: insert_change
-- Remember an accepted change.
insert into skillbank.change (
    bank_id, revision, place, action, skill_id, version, reason, citations
) values (
    %(bank_id)s, %(revision)s, %(place)s, %(action)s, %(skill_id)s, %(version)s, %(reason)s,
    %(citations)s::jsonb
);

-- name: insert_lineage
-- Remember what a version was made from.
insert into skillbank.lineage (bank_id, child_id, child_version, parent_id, parent_version)
values (%(bank_id)s, %(skill_id)s, %(version)s, %(parent_id)s, %(parent_version)s);

-- name: changes
-- The changes a skill took part in, oldest first, each with the versions it came from.
select c.revision, c.action, c.skill_id, c.version, c.reason, c.citations,
       coalesce(
           (select json_agg(json_build_array(l.parent_id, l.parent_version)
                            order by l.parent_id, l.parent_version)
            from skillbank.lineage l
            where l.bank_id = c.bank_id and l.child_id = c.skill_id
              and l.child_version = c.version and c.action in ('revise', 'merge')),
           '[]') as parents
from skillbank.change c
where c.bank_id = %(bank_id)s
  and (c.skill_id = %(skill_id)s or exists (
      select from skillbank.lineage l
      where l.bank_id = c.bank_id and l.parent_id = %(skill_id)s
        and l.child_id = c.skill_id and l.child_version = c.version
        and c.action in ('revise', 'merge')))
order by c.revision, c.place;

-- name: eligible
-- The active skills that may enter a prompt for a category.
select s.* from skillbank.skill s
where s.bank_id = %(bank_id)s and s.status = 'active'
  and s.from_revision <= %(revision)s and %(revision)s < s.to_revision
  and (s.kind = 'general' or s.category = %(category)s
       or (s.kind = 'mistake' and s.category is null));

-- name: eligible_by_text
-- The same, scored by full-text rank against any word of a query.
with terms as (
    select string_agg(
        '''' || replace(replace(lexeme, '\', '\\'), '''', '''''') || '''', ' | '
    )::tsquery as query
    from unnest(to_tsvector('english', %(query)s))
)
select s.*, coalesce(ts_rank(v.words, terms.query), 0)::float8 as score
from skillbank.skill s
join skillbank.version v using (bank_id, skill_id, version)
cross join terms
where s.bank_id = %(bank_id)s and s.status = 'active'
  and s.from_revision <= %(revision)s and %(revision)s < s.to_revision
  and (s.kind = 'general' or s.category = %(category)s
       or (s.kind = 'mistake' and s.category is null));

-- name: insert_episode
-- Append an episode to the evidence log unless it is in it.
insert into skillbank.episode (
    bank_id, episode_id, group_id, success, reward, bank_revision, retrieval
) values (
    %(bank_id)s, %(episode_id)s, %(group_id)s, %(success)s, %(reward)s, %(bank_revision)s,
    %(retrieval)s::jsonb
) on conflict (bank_id, episode_id) do nothing;

-- name: insert_exposure
-- Append one skill's part in an episode.
insert into skillbank.exposure (
    bank_id, episode_id, skill_id, version, shown, propensity, corrupted
) values (
    %(bank_id)s, %(episode_id)s, %(skill_id)s, %(version)s, %(shown)s, %(propensity)s,
    %(corrupted)s
);

-- name: evidence
-- A skill's part in the recorded episodes, in the order of recording.
select x.skill_id::text as skill_id, x.version, x.shown, x.propensity, x.corrupted,
       e.success, e.reward, e.episode_id, e.group_id, e.bank_revision
from skillbank.exposure x
join skillbank.episode e using (bank_id, episode_id)
where x.bank_id = %(bank_id)s and x.skill_id = %(skill_id)s
order by e.place;
