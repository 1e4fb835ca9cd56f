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
SELECT part_register('orphan');
ALTER TABLE orphan ENABLE ROW LEVEL SECURITY;
