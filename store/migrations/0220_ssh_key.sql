-- Public keys that guests let in.

CREATE TABLE ssh_key (
    id          uuid PRIMARY KEY,
    project_id  uuid NOT NULL REFERENCES project,
    name        text NOT NULL,
    description text NOT NULL DEFAULT '',
    public_key  text NOT NULL,
    fingerprint text NOT NULL,
    labels      jsonb NOT NULL DEFAULT '{}',
    generation  bigint NOT NULL DEFAULT 1,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    UNIQUE (project_id, name)
);
SELECT noun_register('ssh_key', 'ssh_key', owner => 'project', plural => 'SSH keys', quota => 'ssh_keys', purge_rank => 60,
    fields => 'name description public_key fingerprint labels generation');
