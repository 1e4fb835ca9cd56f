-- Ports, their addresses and their security groups: what is wanted. Where they are plugged: port_host.

CREATE TABLE port (
    id                    uuid PRIMARY KEY,
    project_id            uuid NOT NULL REFERENCES project,
    network_id            uuid NOT NULL REFERENCES network,
    name                  text NOT NULL DEFAULT '',
    description           text NOT NULL DEFAULT '',
    labels                jsonb NOT NULL DEFAULT '{}',
    instance_id           uuid REFERENCES instance,
    nic_index             integer NOT NULL DEFAULT 0,
    -- Made by the tenant and not with an instance: outlives the instance it is plugged into.
    standalone            boolean NOT NULL DEFAULT false,
    mac                   macaddr NOT NULL,
    tap                   text NOT NULL UNIQUE,
    port_security_enabled boolean NOT NULL DEFAULT true,
    -- [{"mac": "02:...", "cidr": "10.0.0.9/32"}]
    allowed_address_pairs jsonb NOT NULL DEFAULT '[]',
    qos_policy_id         uuid,
    generation            bigint NOT NULL DEFAULT 1,
    -- When the generation last grew; kept by a trigger.
    generation_at         timestamptz NOT NULL DEFAULT now(),
    created_at            timestamptz NOT NULL DEFAULT now(),
    updated_at            timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT port_of_project UNIQUE (project_id, id),
    CONSTRAINT port_mac UNIQUE (network_id, mac),
    CONSTRAINT port_qos_policy FOREIGN KEY (project_id, qos_policy_id) REFERENCES qos_policy (project_id, id)
) WITH (fillfactor = 70);
CREATE INDEX port_by_instance ON port (instance_id, nic_index) WHERE instance_id IS NOT NULL;
CREATE INDEX port_by_qos_policy ON port (qos_policy_id) WHERE qos_policy_id IS NOT NULL;

SELECT noun_register('port', 'port', owner => 'project', quota => 'ports', purge_rank => 10,
    fields => 'network_id name description labels instance_id mac=mac_address port_security_enabled allowed_address_pairs qos_policy_id');

CREATE TRIGGER generation_touch BEFORE UPDATE ON port FOR EACH ROW WHEN (OLD.generation IS DISTINCT FROM NEW.generation)
    EXECUTE FUNCTION generation_touch();

CREATE TABLE ip_allocation (
    network_id uuid NOT NULL,
    address    inet NOT NULL,
    subnet_id  uuid NOT NULL REFERENCES subnet,
    port_id    uuid NOT NULL REFERENCES port ON DELETE CASCADE,
    PRIMARY KEY (network_id, address)
);
CREATE INDEX ip_allocation_by_port ON ip_allocation (port_id);
CREATE INDEX ip_allocation_by_subnet ON ip_allocation (subnet_id);
-- By its network, which is of one project: its port may be made by the same statement, and is not seen yet.
SELECT part_register('ip_allocation', visible => 'EXISTS (SELECT FROM network n WHERE n.id = network_id)', may => 'SELECT, INSERT, UPDATE, DELETE');

CREATE TABLE port_security_group (
    project_id        uuid NOT NULL,
    port_id           uuid NOT NULL,
    security_group_id uuid NOT NULL,
    PRIMARY KEY (port_id, security_group_id),
    CONSTRAINT port_security_group_port FOREIGN KEY (project_id, port_id) REFERENCES port (project_id, id) ON DELETE CASCADE,
    CONSTRAINT port_security_group_group FOREIGN KEY (project_id, security_group_id) REFERENCES security_group (project_id, id)
);
CREATE INDEX port_security_group_by_group ON port_security_group (security_group_id);
SELECT part_register('port_security_group', visible => 'project_id = bound_project()', may => 'SELECT, INSERT, UPDATE, DELETE');
SELECT event_register('port_security_group', 'port_security_group', fields => 'port_id security_group_id', key => 'port_id');
