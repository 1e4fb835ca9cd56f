-- Address sets: ranges that rules of security groups refer to.

CREATE TABLE address_set (
    id          uuid PRIMARY KEY,
    project_id  uuid NOT NULL REFERENCES project,
    name        text NOT NULL,
    description text NOT NULL DEFAULT '',
    cidrs       cidr[] NOT NULL,
    generation  bigint NOT NULL DEFAULT 1,
    labels      jsonb NOT NULL DEFAULT '{}',
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT address_set_name UNIQUE (project_id, name),
    CONSTRAINT address_set_of_project UNIQUE (project_id, id)
);

SELECT noun_register('address_set', 'address_set', owner => 'project', quota => 'address_sets', purge_rank => 90,
    fields => 'name description cidrs labels generation');
