-- Hosts and their two agents.

CREATE TABLE host (
    id             uuid PRIMARY KEY,
    name           text NOT NULL UNIQUE,
    description    text NOT NULL DEFAULT '',
    -- Dead: the operator's word that it is lost for good. Its certificates are void; it never comes back by itself.
    state          text NOT NULL DEFAULT 'enabled' CHECK (state IN ('enabled', 'disabled', 'dead')),
    architecture   text,
    vcpus          bigint,
    memory_mib     bigint,
    disk_gib       bigint,
    vtep           inet,
    underlay_mtu   integer,
    -- Room on the file system where it keeps disks and images, as its compute-agent last reported.
    disk_total_mib bigint CHECK (disk_total_mib >= 0),
    disk_free_mib  bigint CHECK (disk_free_mib >= 0),
    disk_is_full   boolean NOT NULL DEFAULT false,
    labels         jsonb NOT NULL DEFAULT '{}',
    generation     bigint NOT NULL DEFAULT 1,
    created_at     timestamptz NOT NULL DEFAULT now(),
    updated_at     timestamptz NOT NULL DEFAULT now()
);
-- How much is free changes all the time; that it is full is an event.
SELECT noun_register('host', 'host', owner => 'system',
    fields => 'name description state architecture vcpus=capacity.vcpus memory_mib=capacity.memory_mib disk_gib=capacity.disk_gib
               vtep=vtep_ip underlay_mtu disk_is_full=disk.full labels generation',
    seen => 'architecture vcpus memory_mib disk_gib vtep underlay_mtu disk_is_full');

-- Apart from the host's row, because heartbeats must not wait for the scheduler's lock on it.
CREATE TABLE host_agent (
    host_id              uuid NOT NULL REFERENCES host ON DELETE CASCADE,
    kind                 text NOT NULL CHECK (kind IN ('compute', 'net')),
    certificate_serial   text NOT NULL,
    -- Issued, but not yet seen in use: until then the old one holds, so a lost answer locks nobody out.
    next_serial          text,
    version              text,
    incarnation          bigint NOT NULL DEFAULT 0,
    sequence             bigint NOT NULL DEFAULT 0,
    seen_at              timestamptz,
    -- Since when events say that it is not heard of; null while they say that it is. Set by the scheduler.
    silent_since         timestamptz,
    -- The session it was in when it last enrolled. While its incarnation is still this one, the answer to the
    -- enrolment may have been lost, and the agent may ask again.
    enrolled_incarnation bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (host_id, kind)
) WITH (fillfactor = 50);

-- Silence after which a host counts as unreachable. Each process sets it for its connections, as it is configured.
CREATE FUNCTION host_lease() RETURNS interval LANGUAGE sql STABLE AS $$
    SELECT make_interval(secs => coalesce(nullif(current_setting('iroko.lease_s', true), ''), '20')::float8)
$$;

CREATE TABLE enrolment_token (
    id          uuid PRIMARY KEY,
    secret_hash bytea NOT NULL UNIQUE,
    host_name   text,
    -- Host that the first agent made with it; the other agent of that host may use it once too.
    host_id     uuid REFERENCES host ON DELETE CASCADE,
    used_by     text[] NOT NULL DEFAULT '{}',
    created_at  timestamptz NOT NULL DEFAULT now(),
    expires_at  timestamptz NOT NULL
);
SELECT part_register('enrolment_token');
SELECT event_register('enrolment_token', 'enrolment_token', fields => 'host_name expires_at');

-- Failed builds, until the host has built something again: one that fails everybody's rests for a while.
CREATE TABLE host_build_failure (
    host_id    uuid NOT NULL REFERENCES host ON DELETE CASCADE,
    -- The project that wanted it built.
    wanted_by  uuid NOT NULL,
    failed_at  timestamptz NOT NULL,
    PRIMARY KEY (host_id, wanted_by)
);
SELECT part_register('host_build_failure');
ALTER TABLE host_build_failure ENABLE ROW LEVEL SECURITY;
