-- Vectors, tenants, snapshots, documents, and the decisions that came with them.

alter table skillbank.change drop constraint change_action_check;
alter table skillbank.change add constraint change_action_check check (action in (
    'add', 'revise', 'merge', 'split', 'retire', 'activate', 'quarantine', 'rollback'
));

-- Digest first: led by the bank, this index looks as good as the primary key to a planner
-- without statistics, and reads the whole bank.
alter table skillbank.version drop constraint version_bank_id_digest_key;
alter table skillbank.version add constraint version_digest_key unique (digest, bank_id);

-- The revisions at which a version was active, as the table of statuses has them: beside the
-- text, so that no search has to join before it ranks.
alter table skillbank.version add column active int8multirange not null default '{}';
update skillbank.version v set active = past.active
from (
    select bank_id, skill_id, version, range_agg(int8range(
        from_revision, nullif(to_revision, 9223372036854775807))) as active
    from skillbank.status
    where status = 'active'
    group by bank_id, skill_id, version
) past
where (v.bank_id, v.skill_id, v.version) = (past.bank_id, past.skill_id, past.version);

-- A column rather than an expression, which row-level security keeps out of index conditions.
alter table skillbank.version add column category_key text not null
    generated always as (coalesce(category, '')) stored;

-- The present has an index of its own: what has been superseded costs it nothing.
create index version_active on skillbank.version (bank_id, kind, category_key, skill_id)
    where upper_inf(active);
create index version_by_category on skillbank.version (bank_id, kind, category_key, skill_id);

create table skillbank.snapshot (
    bank_id uuid not null references skillbank.bank (id),
    name text not null,
    revision bigint not null,
    note text not null,
    created_at timestamptz not null default now(),
    primary key (bank_id, name)
);

-- Small JSON texts that belong to the bank as a whole, such as an imported file's header.
create table skillbank.document (
    bank_id uuid not null references skillbank.bank (id),
    name text not null,
    body text not null,
    primary key (bank_id, name)
);

-- A vector space: a model, and where it puts a fixed sentence.
create table skillbank.space (
    bank_id uuid not null references skillbank.bank (id),
    space_id integer not null,
    model text not null,
    dimensions integer not null check (dimensions between 1 and 4000),
    probe halfvec not null,
    created_at timestamptz not null default now(),
    primary key (bank_id, space_id),
    unique (bank_id, model, dimensions)
);

-- The space a bank searches in, from a revision on.
create table skillbank.space_use (
    bank_id uuid not null,
    from_revision bigint not null,
    space_id integer not null,
    primary key (bank_id, from_revision),
    foreign key (bank_id, space_id) references skillbank.space
);

-- One vector per version and space, with what a search filters by beside it, so that no
-- search has to join before it ranks. `active` and `category_key` are the version's.
create table skillbank.embedding (
    bank_id uuid not null,
    space_id integer not null,
    skill_id uuid not null,
    version integer not null,
    kind text not null,
    category_key text not null,
    active int8multirange not null,
    vector halfvec not null,
    primary key (bank_id, skill_id, version, space_id),
    foreign key (bank_id, space_id) references skillbank.space,
    foreign key (bank_id, skill_id, version) references skillbank.version
);
-- Up to 8 kB stay in the row: a scan that has to fetch each vector from elsewhere takes
-- several times as long.
alter table skillbank.embedding alter column vector set storage plain;
create index embedding_active on skillbank.embedding (bank_id, space_id, kind, category_key)
    where upper_inf(active);
create index embedding_by_category on skillbank.embedding (bank_id, space_id, kind, category_key);

-- Tenants. From here on a migration that changes rows has to lift the force of these
-- policies for itself: they hold for the tables' owner too.
alter table skillbank.bank add column tenant text not null default 'default';
alter table skillbank.bank drop constraint bank_name_key;
alter table skillbank.bank add constraint bank_tenant_name_key unique (tenant, name);

create policy of_tenant on skillbank.bank
    using (tenant = current_setting('skillbank_rls.tenant', true));
alter table skillbank.bank enable row level security, force row level security;

-- A planner without statistics of what was just written chooses badly; only the tables' owner
-- may gather them, and whoever may use the schema may have it done. A tenth of the usual
-- sample, and of the columns that conditions are about, says as much and costs a write
-- nothing that can be felt.
create function skillbank.gather_statistics() returns void
language plpgsql security definer
set search_path = pg_catalog set default_statistics_target = 10 as $$
begin
    analyze skillbank.version (bank_id, skill_id, version, kind, category_key, digest);
    analyze skillbank.status (bank_id, skill_id, version, status, from_revision, to_revision);
    analyze skillbank.change (bank_id, skill_id, revision);
    analyze skillbank.embedding (bank_id, space_id, skill_id, version, kind, category_key);
end $$;

do $$
declare
    part text;
begin
    foreach part in array array[
        'version', 'status', 'change', 'lineage', 'outcome', 'episode', 'exposure', 'snapshot',
        'document', 'space', 'space_use', 'embedding'
    ] loop
        -- The bank's own policy decides whether the inner query sees it. One bank, not all
        -- of the tenant's: a list of thousands would be compared with every row.
        execute format(
            'create policy of_bank on skillbank.%I using (bank_id = (
                 select id from skillbank.bank
                 where id = nullif(current_setting(''skillbank_rls.bank'', true), '''')::uuid))',
            part);
        execute format(
            'alter table skillbank.%I enable row level security, force row level security', part);
    end loop;
    if exists (select from pg_roles where rolname = 'skillbank_app') then
        grant select, insert on skillbank.snapshot, skillbank.document, skillbank.space,
            skillbank.space_use, skillbank.embedding to skillbank_app;
        grant update (body) on skillbank.document to skillbank_app;
        grant update (active) on skillbank.version, skillbank.embedding to skillbank_app;
    end if;
end $$;
