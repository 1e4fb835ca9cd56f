-- A port on a host, and what the host last saw of it. The ports of an instance are where it is; a port without one may have
-- a host too. Columns from state on are written by reports only.

CREATE TABLE port_host (
    port_id     uuid NOT NULL,
    project_id  uuid NOT NULL,
    -- Its port's, which never changes: hosts of a network are found here.
    network_id  uuid NOT NULL,
    host_id     uuid NOT NULL REFERENCES host,
    -- home: others reach it there. incoming and outgoing: it is plugged, before or after that.
    role        text NOT NULL CHECK (role IN ('home', 'incoming', 'outgoing')),
    placed_at   timestamptz NOT NULL DEFAULT now(),
    -- observed
    state       text,
    -- Since when it is in this state; kept by a trigger.
    state_since timestamptz NOT NULL DEFAULT now(),
    reason      jsonb,
    generation  bigint NOT NULL DEFAULT 0,
    incarnation bigint NOT NULL DEFAULT 0,
    sequence    bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (port_id, host_id),
    CONSTRAINT port_host_port FOREIGN KEY (project_id, port_id) REFERENCES port (project_id, id) ON DELETE CASCADE
) WITH (fillfactor = 70);
CREATE UNIQUE INDEX port_host_home ON port_host (port_id) WHERE role = 'home';
CREATE INDEX port_host_by_host ON port_host (host_id, network_id);
CREATE INDEX port_host_by_network ON port_host (network_id, host_id);

CREATE TRIGGER state_touch BEFORE UPDATE ON port_host FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state)
    EXECUTE FUNCTION state_touch();

SELECT part_register('port_host', visible => 'project_id = bound_project()', may => 'SELECT, DELETE');
-- An interface put into an instance is where the instance is.
GRANT INSERT (port_id, project_id, network_id, host_id, role) ON port_host TO iroko_tenant;
SELECT event_register('port_host', 'port', key => 'port_id', verb => 'changed', fields => 'host_id~status role~status state~status reason~status_reason');
