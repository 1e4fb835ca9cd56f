-- Security groups, their rules, and address sets. That all a rule and a port refer to is of their own
-- project is held by foreign keys over both columns.

CREATE TABLE security_group (
    id          uuid PRIMARY KEY,
    project_id  uuid NOT NULL REFERENCES project,
    name        text NOT NULL,
    description text NOT NULL DEFAULT '',
    stateful    boolean NOT NULL DEFAULT true,
    -- Made with the project; goes with it.
    is_default  boolean NOT NULL DEFAULT false,
    generation  bigint NOT NULL DEFAULT 1,
    labels      jsonb NOT NULL DEFAULT '{}',
    created_at  timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT security_group_name UNIQUE (project_id, name),
    CONSTRAINT security_group_of_project UNIQUE (project_id, id)
);
CREATE UNIQUE INDEX security_group_default ON security_group (project_id) WHERE is_default;

CREATE TABLE address_set (
    id          uuid PRIMARY KEY,
    project_id  uuid NOT NULL REFERENCES project,
    name        text NOT NULL,
    description text NOT NULL DEFAULT '',
    cidrs       cidr[] NOT NULL,
    generation  bigint NOT NULL DEFAULT 1,
    labels      jsonb NOT NULL DEFAULT '{}',
    created_at  timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT address_set_name UNIQUE (project_id, name),
    CONSTRAINT address_set_of_project UNIQUE (project_id, id)
);

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
    created_at            timestamptz NOT NULL DEFAULT now(),
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

-- The same index as before, now to be referred to.
DROP INDEX port_by_project;
ALTER TABLE port
    ADD CONSTRAINT port_of_project UNIQUE (project_id, id),
    ADD COLUMN port_security_enabled boolean NOT NULL DEFAULT true,
    -- [{"mac": "02:...", "cidr": "10.0.0.9/32"}]
    ADD COLUMN allowed_address_pairs jsonb NOT NULL DEFAULT '[]';

CREATE TABLE port_security_group (
    project_id        uuid NOT NULL,
    port_id           uuid NOT NULL,
    security_group_id uuid NOT NULL,
    PRIMARY KEY (port_id, security_group_id),
    CONSTRAINT port_security_group_port FOREIGN KEY (project_id, port_id) REFERENCES port (project_id, id) ON DELETE CASCADE,
    CONSTRAINT port_security_group_group FOREIGN KEY (project_id, security_group_id) REFERENCES security_group (project_id, id)
);
CREATE INDEX port_security_group_by_group ON port_security_group (security_group_id);

DO $$
DECLARE noun text;
BEGIN
    FOREACH noun IN ARRAY ARRAY['security_group', 'security_group_rule', 'address_set', 'port_security_group'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', noun);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO iroko_tenant', noun);
        EXECUTE format('CREATE POLICY tenant ON %I TO iroko_tenant USING (project_id = bound_project())', noun);
    END LOOP;
END $$;

INSERT INTO quota_kind (name, counting, of_people) VALUES
    ('security_groups', 'SELECT count(*) FROM security_group WHERE project_id = ANY ($1)', false),
    ('security_group_rules', 'SELECT count(*) FROM security_group_rule WHERE project_id = ANY ($1)', false),
    ('address_sets', 'SELECT count(*) FROM address_set WHERE project_id = ANY ($1)', false);

-- As the ids made elsewhere (RFC 9562): the time in front, random behind.
CREATE FUNCTION uuid_v7() RETURNS uuid LANGUAGE sql VOLATILE AS $$
    SELECT encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid())
        PLACING substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3) FROM 1 FOR 6), 52, 1), 53, 1), 'hex')::uuid
$$;

-- No project without its default group: members reach each other, and everything outside.
CREATE FUNCTION security_group_make_default(of_project uuid) RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE made uuid := uuid_v7();
BEGIN
    INSERT INTO security_group (id, project_id, name, description, is_default)
    VALUES (made, of_project, 'default', 'Members reach each other, and everything outside', true);
    INSERT INTO security_group_rule (id, project_id, security_group_id, direction, ethertype, remote_group_id)
    SELECT uuid_v7(), of_project, made, direction, ethertype, CASE direction WHEN 'ingress' THEN made END
    FROM unnest(ARRAY['ingress', 'egress']) AS direction, unnest(ARRAY['ipv4', 'ipv6']) AS ethertype;
    RETURN made;
END $$;
REVOKE EXECUTE ON FUNCTION security_group_make_default(uuid) FROM PUBLIC;
CREATE FUNCTION project_gets_default_group() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM security_group_make_default(NEW.id);
    RETURN NULL;
END $$;

INSERT INTO port_security_group (project_id, port_id, security_group_id)
    SELECT made.project_id, p.id, made.security_group_id
    FROM (SELECT id AS project_id, security_group_make_default(id) AS security_group_id FROM project) AS made
    JOIN port p ON p.project_id = made.project_id;

CREATE TRIGGER project_gets_default_group AFTER INSERT ON project FOR EACH ROW EXECUTE FUNCTION project_gets_default_group();
CREATE TRIGGER event_note AFTER INSERT OR UPDATE OR DELETE ON security_group FOR EACH ROW EXECUTE FUNCTION event_note('security_group', '');
CREATE TRIGGER event_note AFTER INSERT OR UPDATE OR DELETE ON security_group_rule FOR EACH ROW EXECUTE FUNCTION event_note('security_group_rule', '');
CREATE TRIGGER event_note AFTER INSERT OR UPDATE OR DELETE ON address_set FOR EACH ROW EXECUTE FUNCTION event_note('address_set', '');
CREATE TRIGGER event_note AFTER INSERT OR DELETE ON port_security_group FOR EACH ROW EXECUTE FUNCTION event_note('port_security_group', '', 'port_id');
CREATE TRIGGER event_note_security AFTER UPDATE OF port_security_enabled, allowed_address_pairs ON port FOR EACH ROW
    WHEN ((OLD.port_security_enabled, OLD.allowed_address_pairs) IS DISTINCT FROM (NEW.port_security_enabled, NEW.allowed_address_pairs))
    EXECUTE FUNCTION event_note('port', 'tap observed_generation observed_incarnation observed_sequence');

-- What hosts must look at. Of a port: the groups it is or was in. Of a group: other groups and address
-- sets that its rules begin or cease to refer to.
ALTER TABLE change
    ADD COLUMN refs uuid[] NOT NULL DEFAULT '{}',
    DROP CONSTRAINT change_kind_check,
    ADD CONSTRAINT change_kind_check CHECK (kind IN ('instance', 'port', 'network', 'console', 'security_group', 'address_set'));
-- Agents of this release know groups: each looks at its ports once more.
INSERT INTO change (kind, object_id, host_id, network_id, refs)
    SELECT 'port', p.id, i.host_id, p.network_id, ARRAY(SELECT m.security_group_id FROM port_security_group m WHERE m.port_id = p.id)
    FROM port p JOIN instance i ON i.id = p.instance_id WHERE i.host_id IS NOT NULL;
