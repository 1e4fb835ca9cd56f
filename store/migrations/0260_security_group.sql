-- Security groups. That all a rule and a port refer to is of their own project is held by foreign keys over both columns.

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
    updated_at  timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT security_group_name UNIQUE (project_id, name),
    CONSTRAINT security_group_of_project UNIQUE (project_id, id)
);
CREATE UNIQUE INDEX security_group_default ON security_group (project_id) WHERE is_default;

SELECT noun_register('security_group', 'security_group', owner => 'project', quota => 'security_groups', purge_rank => 80,
    left_when => 'NOT is_default', fields => 'name description stateful is_default labels generation');

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
CREATE TRIGGER project_gets_default_group AFTER INSERT ON project FOR EACH ROW EXECUTE FUNCTION project_gets_default_group();
