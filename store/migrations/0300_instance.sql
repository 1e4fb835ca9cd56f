-- Instances: what is wanted of them and what was last seen, in one row. observed_* columns are written by reports only,
-- the others by everybody else.

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
    ssh_keys             text[] NOT NULL DEFAULT '{}',
    -- User data that is no text comes as base64 and is stored as it came; its host decodes it.
    user_data            text,
    user_data_is_base64  boolean NOT NULL DEFAULT false,
    -- desired
    power                text NOT NULL CHECK (power IN ('running', 'stopped', 'deleted')),
    generation           bigint NOT NULL DEFAULT 1,
    reboots              bigint NOT NULL DEFAULT 0,
    -- What shall be when a guest shuts itself down, and when one last did: the instance is then wanted stopped by its
    -- own guest, until somebody starts it.
    on_guest_shutdown    text NOT NULL DEFAULT 'stay_off' CHECK (on_guest_shutdown IN ('stay_off', 'start_again')),
    guest_shutdown_at    timestamptz,
    -- placement
    host_id              uuid REFERENCES host,
    excluded_hosts       uuid[] NOT NULL DEFAULT '{}',
    placement_reason     text,
    placement_after      timestamptz NOT NULL DEFAULT now(),
    fault                text,
    -- Its disk was lost with its host: nothing is made anew in its place behind the tenant's back.
    lost_at              timestamptz,
    -- observed
    observed_state       text,
    observed_generation  bigint NOT NULL DEFAULT 0,
    observed_reboots     bigint NOT NULL DEFAULT 0,
    observed_reason      text,
    observed_incarnation bigint NOT NULL DEFAULT 0,
    observed_sequence    bigint NOT NULL DEFAULT 0,
    observed_at          timestamptz,
    ran_at               timestamptz,
    created_at           timestamptz NOT NULL DEFAULT now(),
    updated_at           timestamptz NOT NULL DEFAULT now(),
    deleted_at           timestamptz,
    -- An instance that is gone holds no host.
    CHECK (deleted_at IS NULL OR (power = 'deleted' AND host_id IS NULL))
) WITH (fillfactor = 60);
CREATE INDEX instance_by_project ON instance (project_id, id) WHERE deleted_at IS NULL;
CREATE INDEX instance_by_image ON instance (image_id) WHERE deleted_at IS NULL;
-- Covers the sum of what a host has given away.
CREATE INDEX instance_by_host ON instance (host_id) INCLUDE (vcpus, memory_mib, disk_gib) WHERE host_id IS NOT NULL;
CREATE INDEX instance_to_place ON instance (placement_after) WHERE host_id IS NULL AND power = 'running' AND fault IS NULL;
CREATE INDEX instance_failed ON instance (id) WHERE observed_state = 'failed' AND ran_at IS NULL AND fault IS NULL;

-- Which host it is on is the operator's business. User data holds secrets.
SELECT noun_register('instance', 'instance', owner => 'project', quota => 'instances', quota_when => 'deleted_at IS NULL',
    purge_rank => 40, purge_when => 'deleted_at IS NOT NULL', left_when => 'deleted_at IS NULL',
    fields => 'name description hostname labels flavor_id vcpus memory_mib disk_gib image_id ssh_keys power power~status generation
               on_guest_shutdown guest_shutdown_at deleted_at~status host_id~status fault~status fault~status_reason
               placement_reason~status_reason observed_state~status observed_reboots~status',
    seen => 'guest_shutdown_at deleted_at host_id fault placement_reason observed_state observed_reboots');
INSERT INTO quota_kind (name, counting) VALUES
    ('vcpus', 'SELECT coalesce(sum(vcpus), 0) FROM instance WHERE project_id = ANY ($1) AND deleted_at IS NULL'),
    ('memory_mib', 'SELECT coalesce(sum(memory_mib), 0) FROM instance WHERE project_id = ANY ($1) AND deleted_at IS NULL');

-- Whether an instance's host is heard of, and of no other host.
SELECT part_register('host_agent', visible => 'EXISTS (SELECT FROM instance i WHERE i.host_id = host_agent.host_id)');
GRANT SELECT (host_id, kind, seen_at) ON host_agent TO iroko_tenant;

-- The end of what its guest last wrote to its console.
CREATE TABLE console (
    instance_id  uuid PRIMARY KEY REFERENCES instance ON DELETE CASCADE,
    tail         text NOT NULL DEFAULT '',
    updated_at   timestamptz
);
SELECT part_register('console', visible => 'EXISTS (SELECT FROM instance i WHERE i.id = instance_id)', may => 'SELECT');
