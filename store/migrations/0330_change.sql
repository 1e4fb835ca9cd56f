-- The outbox: "look at this again", written in the transaction that changed it. The revision is the
-- transaction's number, so a reader that stops at the oldest transaction still running sees every
-- change exactly once and in an order that never goes back (docs/adr/0003).

CREATE TABLE change (
    revision   bigint NOT NULL DEFAULT (pg_current_xact_id()::text::bigint),
    seq        bigint GENERATED ALWAYS AS IDENTITY,
    -- port_limits: what a port's own host alone must know; others need not hear of it, and nobody joins or leaves by it.
    kind       text NOT NULL CHECK (kind IN ('instance', 'port', 'port_limits', 'network', 'console', 'security_group', 'address_set')),
    object_id  uuid NOT NULL,
    -- The host it concerns, and the network whose other hosts it concerns.
    host_id    uuid,
    network_id uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    -- Of a port: the groups it is or was in. Of a group: other groups and address sets that its rules begin or cease to
    -- refer to.
    refs       uuid[] NOT NULL DEFAULT '{}',
    PRIMARY KEY (revision, seq)
);
CREATE INDEX change_by_age ON change USING brin (created_at);

-- It only says "look again", which harms nobody; no tenant reads it.
ALTER TABLE change ENABLE ROW LEVEL SECURITY;
GRANT INSERT ON change TO iroko_tenant;
CREATE POLICY tenant ON change FOR INSERT TO iroko_tenant WITH CHECK (true);
