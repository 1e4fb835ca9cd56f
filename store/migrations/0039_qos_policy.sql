-- Quality-of-service policies: how much a project lets its own ports carry. What holds for a port is the
-- smaller of its policy's and its machine's limit, so that nobody gets more than the flavor gives.

CREATE TABLE qos_policy (
    id                uuid PRIMARY KEY,
    project_id        uuid NOT NULL REFERENCES project,
    name              text NOT NULL,
    description       text NOT NULL DEFAULT '',
    -- Null: not limited. Directions are the machine's.
    ingress_kbit_s    integer CHECK (ingress_kbit_s > 0),
    egress_kbit_s     integer CHECK (egress_kbit_s > 0),
    ingress_packets_s integer CHECK (ingress_packets_s > 0),
    egress_packets_s  integer CHECK (egress_packets_s > 0),
    generation        bigint NOT NULL DEFAULT 1,
    labels            jsonb NOT NULL DEFAULT '{}',
    created_at        timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT qos_policy_name UNIQUE (project_id, name),
    CONSTRAINT qos_policy_of_project UNIQUE (project_id, id)
);

ALTER TABLE port
    ADD COLUMN qos_policy_id uuid,
    ADD CONSTRAINT port_qos_policy FOREIGN KEY (project_id, qos_policy_id) REFERENCES qos_policy (project_id, id);
CREATE INDEX port_by_qos_policy ON port (qos_policy_id) WHERE qos_policy_id IS NOT NULL;

ALTER TABLE qos_policy ENABLE ROW LEVEL SECURITY;
GRANT SELECT, INSERT, UPDATE, DELETE ON qos_policy TO iroko_tenant;
CREATE POLICY tenant ON qos_policy TO iroko_tenant USING (project_id = bound_project());

-- Of a port, what its own host alone must know: others need not hear of it, and nobody joins or leaves by it.
ALTER TABLE change
    DROP CONSTRAINT change_kind_check,
    ADD CONSTRAINT change_kind_check CHECK (kind IN ('instance', 'port', 'port_limits', 'network', 'console', 'security_group', 'address_set'));

INSERT INTO quota_kind (name, counting, of_people) VALUES
    ('qos_policies', 'SELECT count(*) FROM qos_policy WHERE project_id = ANY ($1)', false);

CREATE TRIGGER event_note AFTER INSERT OR UPDATE OR DELETE ON qos_policy FOR EACH ROW EXECUTE FUNCTION event_note('qos_policy', '');
DROP TRIGGER event_note_security ON port;
CREATE TRIGGER event_note_security AFTER UPDATE OF port_security_enabled, allowed_address_pairs, qos_policy_id ON port FOR EACH ROW
    WHEN ((OLD.port_security_enabled, OLD.allowed_address_pairs, OLD.qos_policy_id)
          IS DISTINCT FROM (NEW.port_security_enabled, NEW.allowed_address_pairs, NEW.qos_policy_id))
    EXECUTE FUNCTION event_note('port', 'tap observed_generation observed_incarnation observed_sequence');
