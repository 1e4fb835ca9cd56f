-- Subnets: the address ranges of networks.

CREATE TABLE subnet (
    id          uuid PRIMARY KEY,
    project_id  uuid NOT NULL REFERENCES project,
    network_id  uuid NOT NULL REFERENCES network,
    name        text NOT NULL,
    description text NOT NULL DEFAULT '',
    cidr        cidr NOT NULL,
    -- Null: no router is to be there.
    gateway     inet,
    service     inet NOT NULL,
    -- [{"first": "10.0.0.3", "last": "10.0.0.254"}], in order and apart.
    pools       jsonb NOT NULL,
    dns_servers inet[] NOT NULL DEFAULT '{}',
    labels      jsonb NOT NULL DEFAULT '{}',
    generation  bigint NOT NULL DEFAULT 1,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT subnet_overlap EXCLUDE USING gist (network_id WITH =, (cidr::inet) inet_ops WITH &&)
);
CREATE INDEX subnet_by_project ON subnet (project_id, id);

SELECT noun_register('subnet', 'subnet', owner => 'project', quota => 'subnets', purge_rank => 20,
    fields => 'network_id name description cidr gateway=gateway_ip service=service_ip pools=allocation_pools dns_servers labels generation');
