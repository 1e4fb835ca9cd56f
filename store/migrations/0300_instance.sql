-- Instances: what is wanted of them. Where they are and what was seen of them there: instance_host. Those that are gone are
-- in instance_history, so that nothing here grows with what was ever there.

CREATE TABLE instance (
    id                   uuid PRIMARY KEY,
    project_id           uuid NOT NULL REFERENCES project,
    name                 text NOT NULL,
    description          text NOT NULL DEFAULT '',
    hostname             text NOT NULL,
    labels               jsonb NOT NULL DEFAULT '{}',
    flavor_id            uuid NOT NULL,
    vcpus                integer NOT NULL,
    memory_mib           integer NOT NULL,
    disk_gib             integer NOT NULL,
    -- Copied from its flavor with the rest of its size.
    ingress_kbit_s       integer CHECK (ingress_kbit_s > 0),
    egress_kbit_s        integer CHECK (egress_kbit_s > 0),
    ingress_packets_s    integer CHECK (ingress_packets_s > 0),
    egress_packets_s     integer CHECK (egress_packets_s > 0),
    image_id             uuid NOT NULL,
    architecture         text NOT NULL,
    -- Lines as they were when it was made, and the keys that they came from.
    ssh_keys             text[] NOT NULL DEFAULT '{}',
    ssh_key_ids          uuid[] NOT NULL DEFAULT '{}',
    -- User data that is no text comes as base64 and is stored as it came; its host decodes it.
    user_data            text,
    user_data_is_base64  boolean NOT NULL DEFAULT false,
    -- desired
    power                text NOT NULL CHECK (power IN ('running', 'stopped', 'deleted')),
    generation           bigint NOT NULL DEFAULT 1,
    -- When the generation last grew; kept by a trigger.
    generation_at        timestamptz NOT NULL DEFAULT now(),
    reboots              bigint NOT NULL DEFAULT 0,
    -- What shall be when a guest shuts itself down, and when one last did: the instance is then wanted stopped by its
    -- own guest, until somebody starts it.
    on_guest_shutdown    text NOT NULL DEFAULT 'stay_off' CHECK (on_guest_shutdown IN ('stay_off', 'start_again')),
    guest_shutdown_at    timestamptz,
    -- placement: where it is stands in instance_host. placement_after: when a host is looked for (again); null while it
    -- has one.
    excluded_hosts       uuid[] NOT NULL DEFAULT '{}',
    -- Reasons are {"code", "text"}.
    placement_reason     jsonb,
    placement_after      timestamptz DEFAULT now(),
    fault                jsonb,
    -- Its disk was lost with its host: nothing is made anew in its place behind the tenant's back.
    lost_at              timestamptz,
    created_at           timestamptz NOT NULL DEFAULT now(),
    updated_at           timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT instance_of_project UNIQUE (project_id, id)
) WITH (fillfactor = 60);
CREATE INDEX instance_by_image ON instance (image_id);
CREATE INDEX instance_to_place ON instance (placement_after) WHERE placement_after IS NOT NULL AND power = 'running' AND fault IS NULL;

-- User data holds secrets. A purge asks instances to go, and waits for them.
SELECT noun_register('instance', 'instance', owner => 'project', quota => 'instances', purge_rank => 40, purge_when => 'false',
    fields => 'name description hostname labels flavor_id vcpus memory_mib disk_gib image_id ssh_key_ids power power~status generation
               on_guest_shutdown guest_shutdown_at fault~status fault~status_reason placement_reason~status_reason',
    seen => 'guest_shutdown_at fault placement_reason');
CREATE FUNCTION generation_touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.generation_at := now();
    RETURN NEW;
END $$;
CREATE TRIGGER generation_touch BEFORE UPDATE ON instance FOR EACH ROW WHEN (OLD.generation IS DISTINCT FROM NEW.generation)
    EXECUTE FUNCTION generation_touch();

INSERT INTO quota_kind (name, counting) VALUES
    ('vcpus', 'SELECT coalesce(sum(vcpus), 0) FROM instance WHERE project_id = ANY ($1)'),
    ('memory_mib', 'SELECT coalesce(sum(memory_mib), 0) FROM instance WHERE project_id = ANY ($1)');

-- The end of what its guest last wrote to its console.
CREATE TABLE console (
    instance_id  uuid PRIMARY KEY REFERENCES instance ON DELETE CASCADE,
    tail         text NOT NULL DEFAULT '',
    updated_at   timestamptz
);
SELECT part_register('console', visible => 'EXISTS (SELECT FROM instance i WHERE i.id = instance_id)', may => 'SELECT');
