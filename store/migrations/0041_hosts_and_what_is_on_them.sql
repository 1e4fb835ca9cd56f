-- What hosts have that nobody named; hosts that are declared dead, and what was on them; hosts that fail to build.

-- On a host, and not known here: kept by its agents as it is until an operator adopts or removes it. What is known to be
-- deleted never gets here: its host is told so at once.
CREATE TABLE orphan (
    -- Its place in pages: two hosts may have the same object.
    id            uuid NOT NULL UNIQUE DEFAULT gen_random_uuid(),
    host_id       uuid NOT NULL REFERENCES host ON DELETE CASCADE,
    kind          text NOT NULL CHECK (kind IN ('instance', 'port')),
    -- The instance or the port.
    object_id     uuid NOT NULL,
    -- The instance, or the one that the port is of.
    instance_id   uuid NOT NULL,
    network_id    uuid,
    is_running    boolean NOT NULL DEFAULT false,
    -- What its host last knew to be desired of an instance.
    spec          jsonb,
    first_seen_at timestamptz NOT NULL DEFAULT now(),
    seen_at       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (host_id, object_id)
);
ALTER TABLE orphan ENABLE ROW LEVEL SECURITY;

-- The operator's word that a host is lost for good. Its certificates are void; it never comes back by itself.
ALTER TABLE host DROP CONSTRAINT host_state_check;
ALTER TABLE host ADD CONSTRAINT host_state_check CHECK (state IN ('enabled', 'disabled', 'dead'));
-- Its disk was lost with its host: nothing is made anew in its place behind the tenant's back.
ALTER TABLE instance ADD COLUMN lost_at timestamptz;

-- Failed builds, until the host has built something again: one that fails everybody's rests for a while.
CREATE TABLE host_build_failure (
    host_id    uuid NOT NULL REFERENCES host ON DELETE CASCADE,
    -- The project that wanted it built.
    wanted_by  uuid NOT NULL,
    failed_at  timestamptz NOT NULL,
    PRIMARY KEY (host_id, wanted_by)
);
ALTER TABLE host_build_failure ENABLE ROW LEVEL SECURITY;
