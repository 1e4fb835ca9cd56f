-- An instance on a host: what it takes up there, and what the host last saw of it. Capacity is the sum of these rows, and
-- a report is accepted against its row. An instance is at home on one host at most; while it moves, it has a second row.
--
-- Rows come and go under the lock of the instance's row. Columns from state on are written by reports only.

CREATE TABLE instance_host (
    instance_id uuid NOT NULL,
    project_id  uuid NOT NULL,
    host_id     uuid NOT NULL REFERENCES host,
    -- home: it is to be there. incoming: it is being prepared there. outgoing: what is left of it there goes.
    role        text NOT NULL CHECK (role IN ('home', 'incoming', 'outgoing')),
    -- reserved
    vcpus       integer NOT NULL,
    memory_mib  integer NOT NULL,
    disk_gib    integer NOT NULL,
    placed_at   timestamptz NOT NULL DEFAULT now(),
    -- observed
    state       text,
    -- Since when it is in this state; kept by a trigger.
    state_since timestamptz NOT NULL DEFAULT now(),
    -- {"code", "text"}
    reason      jsonb,
    -- Parts of its definition that are in force from its next start on.
    at_next_start text[] NOT NULL DEFAULT '{}',
    generation  bigint NOT NULL DEFAULT 0,
    reboots     bigint NOT NULL DEFAULT 0,
    incarnation bigint NOT NULL DEFAULT 0,
    sequence    bigint NOT NULL DEFAULT 0,
    observed_at timestamptz,
    -- When it first ran there.
    ran_at      timestamptz,
    PRIMARY KEY (instance_id, host_id),
    CONSTRAINT instance_host_instance FOREIGN KEY (project_id, instance_id) REFERENCES instance (project_id, id)
) WITH (fillfactor = 60);
CREATE UNIQUE INDEX instance_host_home ON instance_host (instance_id) WHERE role = 'home';
-- Covers the sum of what a host has given away.
CREATE INDEX instance_host_by_host ON instance_host (host_id, project_id) INCLUDE (vcpus, memory_mib, disk_gib);
CREATE INDEX instance_host_failed ON instance_host (instance_id) WHERE state = 'failed' AND ran_at IS NULL;

CREATE FUNCTION state_touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.state_since := now();
    RETURN NEW;
END $$;
CREATE TRIGGER state_touch BEFORE UPDATE ON instance_host FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state)
    EXECUTE FUNCTION state_touch();

-- Which host it is on is the operator's business.
SELECT part_register('instance_host', visible => 'project_id = bound_project()', may => 'SELECT, DELETE');
SELECT event_register('instance_host', 'instance', key => 'instance_id', verb => 'changed',
    fields => 'host_id~status role~status state~status reboots~status reason~status_reason at_next_start~at_next_start');

-- The hosts that an instance has a row on, as of now: later than the snapshot of the statement that calls it, which may
-- have waited for the instance's row. Only under the lock of that row the answer stays true.
CREATE FUNCTION instance_hosts(of_instance uuid) RETURNS SETOF uuid LANGUAGE plpgsql VOLATILE ROWS 1 AS $$
BEGIN
    RETURN QUERY SELECT w.host_id FROM instance_host w WHERE w.instance_id = of_instance;
END $$;

-- The one status that people see, as iroko_model::instance::status derives it; a test compares the two, fact by fact.
CREATE FUNCTION instance_status(power text, placed boolean, given_up boolean, unreachable boolean, observed text, reboot_due boolean, never_ran boolean)
RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE
        WHEN power = 'deleted' THEN 'deleting'
        WHEN given_up THEN 'error'
        WHEN NOT placed THEN CASE power WHEN 'stopped' THEN 'stopped' ELSE 'pending' END
        WHEN unreachable THEN 'unreachable'
        WHEN observed = 'failed' THEN CASE WHEN power = 'running' AND never_ran THEN 'building' ELSE 'error' END
        WHEN observed IS NULL OR observed IN ('preparing', 'absent') THEN 'building'
        WHEN power = 'running' AND observed = 'running' THEN CASE WHEN reboot_due THEN 'rebooting' ELSE 'running' END
        WHEN observed = 'rebooting' THEN 'rebooting'
        WHEN power = 'running' THEN CASE observed WHEN 'paused' THEN 'paused' WHEN 'stopping' THEN 'stopping' ELSE 'building' END
        ELSE CASE observed WHEN 'stopped' THEN 'stopped' ELSE 'stopping' END
    END
$$;

-- The status of an instance as it is now.
CREATE FUNCTION instance_status_of(n instance) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT instance_status(CASE WHEN n.power = 'running' AND project_is_suspended(n.project_id) THEN 'stopped' ELSE n.power END,
                           w.host_id IS NOT NULL, n.fault IS NOT NULL,
                           w.host_id IS NOT NULL AND coalesce(h.seen_at < now() - host_lease(), true),
                           w.state, coalesce(w.reboots, 0) < n.reboots, w.ran_at IS NULL)
    FROM (SELECT 1) AS one LEFT JOIN instance_host w ON w.instance_id = n.id AND w.role = 'home'
    LEFT JOIN host_agent h ON h.host_id = w.host_id AND h.kind = 'compute'
$$;

-- Whether an instance's host is heard of, and of no other host.
SELECT part_register('host_agent', visible => 'EXISTS (SELECT FROM instance_host w WHERE w.host_id = host_agent.host_id)');
GRANT SELECT (host_id, kind, seen_at) ON host_agent TO iroko_tenant;
