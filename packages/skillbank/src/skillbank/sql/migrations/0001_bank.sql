-- Banks, versions of skills, their statuses over time, and the evidence log.
-- Versions, lineage, changes and evidence only ever grow.

create table skillbank.bank (
    id uuid primary key,
    name text not null unique,
    revision bigint not null default 0,
    skill_count bigint not null default 0,
    created_at timestamptz not null default now()
);

create table skillbank.version (
    bank_id uuid not null references skillbank.bank (id),
    skill_id uuid not null,
    version integer not null check (version >= 1),
    title text not null,
    principle text not null,
    when_to_apply text not null,
    kind text not null check (kind in ('general', 'task', 'mistake')),
    category text,
    provenance jsonb not null,
    digest text not null,
    created_revision bigint not null,
    created_at timestamptz not null default now(),
    words tsvector not null generated always as (
        setweight(to_tsvector('english', title), 'A')
        || setweight(to_tsvector('english', when_to_apply), 'B')
        || setweight(to_tsvector('english', principle), 'C')
    ) stored,
    primary key (bank_id, skill_id, version),
    unique (bank_id, digest),
    check (case kind when 'general' then category is null
                     when 'task' then category is not null
                     else true end)
);

-- A status holds from one revision up to, not including, another; the greatest bigint
-- stands for "until further notice".
create table skillbank.status (
    bank_id uuid not null,
    skill_id uuid not null,
    version integer not null,
    status text not null check (status in ('draft', 'candidate', 'active', 'retired', 'quarantined')),
    status_reason text,
    from_revision bigint not null,
    to_revision bigint not null default 9223372036854775807 check (from_revision < to_revision),
    primary key (bank_id, skill_id, version, from_revision),
    foreign key (bank_id, skill_id, version) references skillbank.version
);

create unique index status_one_at_a_time on skillbank.status (bank_id, skill_id, version)
    where to_revision = 9223372036854775807;
create unique index status_one_active_version on skillbank.status (bank_id, skill_id)
    where to_revision = 9223372036854775807 and status = 'active';

create view skillbank.skill with (security_invoker = true) as
select v.bank_id, v.skill_id, v.version, v.title, v.principle, v.when_to_apply, v.kind,
       v.category, s.status, s.status_reason, v.provenance::text as provenance,
       v.created_revision, v.digest, s.from_revision, s.to_revision
from skillbank.version v
join skillbank.status s using (bank_id, skill_id, version);

create table skillbank.change (
    bank_id uuid not null references skillbank.bank (id),
    revision bigint not null,
    place integer not null,
    action text not null check (action in ('add', 'revise', 'merge', 'retire')),
    skill_id uuid not null,
    version integer not null,
    reason text not null,
    citations jsonb not null,
    primary key (bank_id, revision, place),
    foreign key (bank_id, skill_id, version) references skillbank.version
);
create index change_of_skill on skillbank.change (bank_id, skill_id);

create table skillbank.lineage (
    bank_id uuid not null,
    child_id uuid not null,
    child_version integer not null,
    parent_id uuid not null,
    parent_version integer not null,
    primary key (bank_id, child_id, child_version, parent_id, parent_version),
    foreign key (bank_id, child_id, child_version) references skillbank.version,
    foreign key (bank_id, parent_id, parent_version) references skillbank.version
);
create index lineage_of_parent on skillbank.lineage (bank_id, parent_id);

create table skillbank.outcome (
    bank_id uuid not null references skillbank.bank (id),
    key text not null,
    outcome jsonb not null,
    created_at timestamptz not null default now(),
    primary key (bank_id, key)
);

create table skillbank.episode (
    bank_id uuid not null references skillbank.bank (id),
    episode_id text not null,
    place bigint not null generated always as identity,
    group_id text not null,
    success boolean not null,
    reward double precision not null,
    bank_revision bigint not null,
    retrieval jsonb not null,
    recorded_at timestamptz not null default now(),
    primary key (bank_id, episode_id)
);

create table skillbank.exposure (
    bank_id uuid not null,
    episode_id text not null,
    skill_id uuid not null,
    version integer not null,
    shown boolean not null,
    propensity double precision not null check (propensity > 0 and propensity <= 1),
    corrupted boolean not null,
    primary key (bank_id, episode_id, skill_id),
    foreign key (bank_id, episode_id) references skillbank.episode,
    foreign key (bank_id, skill_id, version) references skillbank.version
);
create index exposure_of_skill on skillbank.exposure (bank_id, skill_id);

-- The role of daily use owns nothing, and can neither rewrite a text nor delete a row.
do $$
begin
    if exists (select from pg_roles where rolname = 'skillbank_app') then
        grant usage on schema skillbank to skillbank_app;
        grant select on all tables in schema skillbank to skillbank_app;
        grant insert on skillbank.bank, skillbank.version, skillbank.status, skillbank.change,
            skillbank.lineage, skillbank.outcome, skillbank.episode, skillbank.exposure
            to skillbank_app;
        grant update (revision, skill_count) on skillbank.bank to skillbank_app;
        grant update (to_revision) on skillbank.status to skillbank_app;
    end if;
end $$;
