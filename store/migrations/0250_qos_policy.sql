-- Quality-of-service policies: how much a project lets its own ports carry. What holds for a port is the
-- smaller of its policy's and its instance's limit, so that nobody gets more than the flavor gives.

CREATE TABLE qos_policy (
    id                uuid PRIMARY KEY,
    project_id        uuid NOT NULL REFERENCES project,
    name              text NOT NULL,
    description       text NOT NULL DEFAULT '',
    -- Null: not limited. Directions are the instance's.
    ingress_kbit_s    integer CHECK (ingress_kbit_s > 0),
    egress_kbit_s     integer CHECK (egress_kbit_s > 0),
    ingress_packets_s integer CHECK (ingress_packets_s > 0),
    egress_packets_s  integer CHECK (egress_packets_s > 0),
    generation        bigint NOT NULL DEFAULT 1,
    labels            jsonb NOT NULL DEFAULT '{}',
    created_at        timestamptz NOT NULL DEFAULT now(),
    updated_at        timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT qos_policy_name UNIQUE (project_id, name),
    CONSTRAINT qos_policy_of_project UNIQUE (project_id, id)
);
SELECT noun_register('qos_policy', 'qos_policy', owner => 'project', plural => 'QoS policies', quota => 'qos_policies', purge_rank => 100,
    fields => 'name description ingress_kbit_s egress_kbit_s ingress_packets_s egress_packets_s labels generation');
