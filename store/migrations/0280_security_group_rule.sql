-- Rules of security groups: what is let in and out.

CREATE TABLE security_group_rule (
    id                    uuid PRIMARY KEY,
    project_id            uuid NOT NULL,
    security_group_id     uuid NOT NULL,
    direction             text NOT NULL CHECK (direction IN ('ingress', 'egress')),
    ethertype             text NOT NULL CHECK (ethertype IN ('ipv4', 'ipv6')),
    protocol              smallint CHECK (protocol BETWEEN 0 AND 255),
    port_first            integer CHECK (port_first BETWEEN 0 AND 65535),
    port_last             integer CHECK (port_last BETWEEN port_first AND 65535),
    icmp_type             smallint CHECK (icmp_type BETWEEN 0 AND 255),
    icmp_code             smallint CHECK (icmp_code BETWEEN 0 AND 255),
    remote_cidr           cidr,
    remote_group_id       uuid,
    remote_address_set_id uuid,
    description           text NOT NULL DEFAULT '',
    labels                jsonb NOT NULL DEFAULT '{}',
    generation            bigint NOT NULL DEFAULT 1,
    created_at            timestamptz NOT NULL DEFAULT now(),
    updated_at            timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT security_group_rule_group FOREIGN KEY (project_id, security_group_id) REFERENCES security_group (project_id, id),
    CONSTRAINT security_group_rule_remote_group FOREIGN KEY (project_id, remote_group_id) REFERENCES security_group (project_id, id),
    CONSTRAINT security_group_rule_address_set FOREIGN KEY (project_id, remote_address_set_id) REFERENCES address_set (project_id, id),
    CONSTRAINT security_group_rule_ports CHECK ((port_first IS NULL) = (port_last IS NULL)),
    CONSTRAINT security_group_rule_code CHECK (icmp_code IS NULL OR icmp_type IS NOT NULL),
    CONSTRAINT security_group_rule_remote CHECK (num_nonnulls(remote_cidr, remote_group_id, remote_address_set_id) <= 1),
    CONSTRAINT security_group_rule_once UNIQUE NULLS NOT DISTINCT (security_group_id, direction, ethertype, protocol, port_first,
        port_last, icmp_type, icmp_code, remote_cidr, remote_group_id, remote_address_set_id)
);
CREATE INDEX security_group_rule_by_project ON security_group_rule (project_id, id);
CREATE INDEX security_group_rule_by_remote_group ON security_group_rule (remote_group_id) WHERE remote_group_id IS NOT NULL;
CREATE INDEX security_group_rule_by_address_set ON security_group_rule (remote_address_set_id) WHERE remote_address_set_id IS NOT NULL;

-- They go with their group, and are not counted apart.
SELECT noun_register('security_group_rule', 'security_group_rule', owner => 'project', quota => 'security_group_rules', purge_rank => 70,
    left_when => 'false', fields => 'security_group_id direction ethertype protocol port_first port_last icmp_type icmp_code remote_cidr
    remote_group_id remote_address_set_id description labels generation');
