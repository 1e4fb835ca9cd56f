-- Connection logs: what a port asks for, for a time, and what hosts recorded.

CREATE TABLE connection_log (
    port_id            uuid PRIMARY KEY,
    project_id         uuid NOT NULL,
    verdicts           text[] NOT NULL CHECK (cardinality(verdicts) > 0 AND verdicts <@ ARRAY['accepted', 'dropped']),
    records_per_second integer NOT NULL CHECK (records_per_second BETWEEN 1 AND 100),
    expires_at         timestamptz NOT NULL,
    -- Its host was told to record no more.
    ended              boolean NOT NULL DEFAULT false,
    created_at         timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT connection_log_port FOREIGN KEY (project_id, port_id) REFERENCES port (project_id, id) ON DELETE CASCADE
);
CREATE INDEX connection_log_running ON connection_log (expires_at) WHERE NOT ended;

-- The id is the host's, so that what is told twice is there once; it begins with the time, as all ids do.
CREATE TABLE connection_record (
    port_id          uuid NOT NULL REFERENCES connection_log ON DELETE CASCADE,
    id               uuid NOT NULL,
    project_id       uuid NOT NULL,
    occurred_at      timestamptz NOT NULL,
    received_at      timestamptz NOT NULL DEFAULT now(),
    direction        text NOT NULL,
    verdict          text NOT NULL,
    reason           text NOT NULL,
    rule_id          uuid,
    source_mac       macaddr,
    ethertype        integer NOT NULL,
    protocol         smallint,
    source           inet,
    destination      inet,
    source_port      integer,
    destination_port integer,
    icmp_type        smallint,
    icmp_code        smallint,
    PRIMARY KEY (port_id, id)
);
CREATE INDEX connection_record_by_age ON connection_record (received_at);

SELECT part_register('connection_log', visible => 'project_id = bound_project()', may => 'SELECT, INSERT, UPDATE, DELETE');
SELECT event_register('connection_log', 'connection_log', fields => 'port_id verdicts records_per_second expires_at', key => 'port_id');
SELECT part_register('connection_record', visible => 'project_id = bound_project()', may => 'SELECT');
