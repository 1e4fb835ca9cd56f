-- The first schema. What is wanted and what was last seen stand in the same row of the noun they
-- belong to; observed_* columns are written by reports only, the others by everybody else.

CREATE EXTENSION IF NOT EXISTS btree_gist;

CREATE TABLE organization (
    id         uuid PRIMARY KEY,
    name       text NOT NULL UNIQUE,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE project (
    id              uuid PRIMARY KEY,
    organization_id uuid NOT NULL REFERENCES organization,
    name            text NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    UNIQUE (organization_id, name)
);

-- "user" is a reserved word in SQL.
CREATE TABLE account (
    id              uuid PRIMARY KEY,
    organization_id uuid NOT NULL REFERENCES organization,
    username        text NOT NULL UNIQUE,
    password_hash   text NOT NULL,
    is_operator     boolean NOT NULL DEFAULT false,
    created_at      timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE project_member (
    project_id uuid NOT NULL REFERENCES project ON DELETE CASCADE,
    account_id uuid NOT NULL REFERENCES account ON DELETE CASCADE,
    PRIMARY KEY (account_id, project_id)
);

CREATE TABLE flavor (
    id         uuid PRIMARY KEY,
    name       text NOT NULL UNIQUE,
    vcpus      integer NOT NULL CHECK (vcpus BETWEEN 1 AND 1024),
    memory_mib integer NOT NULL CHECK (memory_mib BETWEEN 16 AND 33554432),
    disk_gib   integer NOT NULL CHECK (disk_gib BETWEEN 1 AND 1048576),
    labels     jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE image (
    id                 uuid PRIMARY KEY,
    project_id         uuid NOT NULL REFERENCES project,
    name               text NOT NULL,
    architecture       text NOT NULL,
    disk_format        text NOT NULL CHECK (disk_format IN ('qcow2', 'raw')),
    status             text NOT NULL CHECK (status IN ('queued', 'uploading', 'active')),
    size_bytes         bigint,
    virtual_size_bytes bigint,
    -- Of a queued image: what its maker says the bytes will be.
    sha256             text,
    -- Set while bytes arrive; an upload whose lease ran out was broken off and is taken back.
    upload_id          uuid,
    upload_lease       timestamptz,
    labels             jsonb NOT NULL DEFAULT '{}',
    created_at         timestamptz NOT NULL DEFAULT now(),
    CHECK (status <> 'active' OR (size_bytes IS NOT NULL AND virtual_size_bytes IS NOT NULL AND sha256 IS NOT NULL)),
    CHECK ((status = 'uploading') = (upload_id IS NOT NULL))
);
CREATE INDEX image_by_project ON image (project_id, id);

CREATE TABLE ssh_key (
    id          uuid PRIMARY KEY,
    project_id  uuid NOT NULL REFERENCES project,
    name        text NOT NULL,
    public_key  text NOT NULL,
    fingerprint text NOT NULL,
    labels      jsonb NOT NULL DEFAULT '{}',
    created_at  timestamptz NOT NULL DEFAULT now(),
    UNIQUE (project_id, name)
);

CREATE TABLE network (
    id         uuid PRIMARY KEY,
    project_id uuid NOT NULL REFERENCES project,
    name       text NOT NULL,
    vni        integer NOT NULL UNIQUE CHECK (vni BETWEEN 1 AND 16777215),
    mtu        integer NOT NULL CHECK (mtu BETWEEN 1280 AND 9216),
    generation bigint NOT NULL DEFAULT 1,
    labels     jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX network_by_project ON network (project_id, id);

CREATE TABLE subnet (
    id          uuid PRIMARY KEY,
    project_id  uuid NOT NULL REFERENCES project,
    network_id  uuid NOT NULL REFERENCES network,
    name        text NOT NULL,
    cidr        cidr NOT NULL,
    gateway     inet NOT NULL,
    service     inet NOT NULL,
    pool_first  inet NOT NULL,
    pool_last   inet NOT NULL,
    dns_servers inet[] NOT NULL DEFAULT '{}',
    labels      jsonb NOT NULL DEFAULT '{}',
    created_at  timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT subnet_overlap EXCLUDE USING gist (network_id WITH =, (cidr::inet) inet_ops WITH &&)
);
CREATE INDEX subnet_by_project ON subnet (project_id, id);

CREATE TABLE host (
    id           uuid PRIMARY KEY,
    name         text NOT NULL UNIQUE,
    state        text NOT NULL DEFAULT 'enabled' CHECK (state IN ('enabled', 'disabled')),
    architecture text,
    vcpus        bigint,
    memory_mib   bigint,
    disk_gib     bigint,
    vtep         inet,
    underlay_mtu integer,
    labels       jsonb NOT NULL DEFAULT '{}',
    created_at   timestamptz NOT NULL DEFAULT now()
);

-- The two agents of a host. Apart from the host's row, because heartbeats must not wait for the
-- scheduler's lock on it.
CREATE TABLE host_agent (
    host_id            uuid NOT NULL REFERENCES host ON DELETE CASCADE,
    kind               text NOT NULL CHECK (kind IN ('compute', 'net')),
    certificate_serial text NOT NULL,
    -- Issued, but not yet seen in use: until then the old one holds, so a lost answer locks nobody out.
    next_serial        text,
    version            text,
    incarnation        bigint NOT NULL DEFAULT 0,
    sequence           bigint NOT NULL DEFAULT 0,
    seen_at            timestamptz,
    PRIMARY KEY (host_id, kind)
) WITH (fillfactor = 50);

CREATE TABLE enrolment_token (
    id          uuid PRIMARY KEY,
    secret_hash bytea NOT NULL UNIQUE,
    host_name   text,
    -- Host that the first agent made with it; the other agent of that host may use it once too.
    host_id     uuid REFERENCES host ON DELETE CASCADE,
    used_by     text[] NOT NULL DEFAULT '{}',
    created_at  timestamptz NOT NULL DEFAULT now(),
    expires_at  timestamptz NOT NULL
);

CREATE TABLE instance (
    id                   uuid PRIMARY KEY,
    project_id           uuid NOT NULL REFERENCES project,
    name                 text NOT NULL,
    hostname             text NOT NULL,
    labels               jsonb NOT NULL DEFAULT '{}',
    flavor_id            uuid NOT NULL,
    vcpus                integer NOT NULL,
    memory_mib           integer NOT NULL,
    disk_gib             integer NOT NULL,
    image_id             uuid NOT NULL,
    architecture         text NOT NULL,
    ssh_keys             text[] NOT NULL DEFAULT '{}',
    user_data            text,
    -- desired
    power                text NOT NULL CHECK (power IN ('running', 'stopped', 'deleted')),
    generation           bigint NOT NULL DEFAULT 1,
    reboots              bigint NOT NULL DEFAULT 0,
    -- placement
    host_id              uuid REFERENCES host,
    excluded_hosts       uuid[] NOT NULL DEFAULT '{}',
    placement_reason     text,
    placement_after      timestamptz NOT NULL DEFAULT now(),
    fault                text,
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
    deleted_at           timestamptz,
    -- A machine that is gone holds no host.
    CHECK (deleted_at IS NULL OR (power = 'deleted' AND host_id IS NULL))
) WITH (fillfactor = 60);
CREATE INDEX instance_by_project ON instance (project_id, id) WHERE deleted_at IS NULL;
CREATE INDEX instance_by_image ON instance (image_id) WHERE deleted_at IS NULL;
-- Covers the sum of what a host has given away.
CREATE INDEX instance_by_host ON instance (host_id) INCLUDE (vcpus, memory_mib, disk_gib) WHERE host_id IS NOT NULL;
CREATE INDEX instance_to_place ON instance (placement_after) WHERE host_id IS NULL AND power = 'running' AND fault IS NULL;
CREATE INDEX instance_failed ON instance (id) WHERE observed_state = 'failed' AND ran_at IS NULL AND fault IS NULL;

CREATE TABLE port (
    id                   uuid PRIMARY KEY,
    project_id           uuid NOT NULL REFERENCES project,
    network_id           uuid NOT NULL REFERENCES network,
    name                 text NOT NULL DEFAULT '',
    labels               jsonb NOT NULL DEFAULT '{}',
    instance_id          uuid REFERENCES instance,
    nic_index            integer NOT NULL DEFAULT 0,
    -- Made by the tenant and not with a machine: outlives the machine it is plugged into.
    standalone           boolean NOT NULL DEFAULT false,
    mac                  macaddr NOT NULL UNIQUE,
    tap                  text NOT NULL UNIQUE,
    generation           bigint NOT NULL DEFAULT 1,
    observed_state       text,
    observed_generation  bigint NOT NULL DEFAULT 0,
    observed_reason      text,
    observed_incarnation bigint NOT NULL DEFAULT 0,
    observed_sequence    bigint NOT NULL DEFAULT 0,
    created_at           timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 70);
CREATE INDEX port_by_project ON port (project_id, id);
CREATE INDEX port_by_network ON port (network_id);
CREATE INDEX port_by_instance ON port (instance_id, nic_index) WHERE instance_id IS NOT NULL;

CREATE TABLE ip_allocation (
    network_id uuid NOT NULL,
    address    inet NOT NULL,
    subnet_id  uuid NOT NULL REFERENCES subnet,
    port_id    uuid NOT NULL REFERENCES port ON DELETE CASCADE,
    PRIMARY KEY (network_id, address)
);
CREATE INDEX ip_allocation_by_port ON ip_allocation (port_id);
CREATE INDEX ip_allocation_by_subnet ON ip_allocation (subnet_id);

-- The outbox: "look at this again", written in the transaction that changed it. The revision is the
-- transaction's number, so a reader that stops at the oldest transaction still running sees every
-- change exactly once and in an order that never goes back (docs/adr/0003).
CREATE TABLE change (
    revision   bigint NOT NULL DEFAULT (pg_current_xact_id()::text::bigint),
    seq        bigint GENERATED ALWAYS AS IDENTITY,
    kind       text NOT NULL CHECK (kind IN ('instance', 'port', 'network', 'console')),
    object_id  uuid NOT NULL,
    -- The host it concerns, and the network whose other hosts it concerns.
    host_id    uuid,
    network_id uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (revision, seq)
);
CREATE INDEX change_by_age ON change USING brin (created_at);

CREATE TABLE console (
    instance_id  uuid PRIMARY KEY REFERENCES instance ON DELETE CASCADE,
    tail         text NOT NULL DEFAULT '',
    updated_at   timestamptz
);
