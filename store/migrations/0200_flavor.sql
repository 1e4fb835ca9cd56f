-- Flavors: the sizes that instances come in.

CREATE TABLE flavor (
    id                uuid PRIMARY KEY,
    name              text NOT NULL UNIQUE,
    description       text NOT NULL DEFAULT '',
    vcpus             integer NOT NULL CHECK (vcpus BETWEEN 1 AND 1024),
    memory_mib        integer NOT NULL CHECK (memory_mib BETWEEN 16 AND 33554432),
    disk_gib          integer NOT NULL CHECK (disk_gib BETWEEN 1 AND 1048576),
    -- How much each port of an instance may carry; null: as much as its host can. Directions are the instance's.
    ingress_kbit_s    integer CHECK (ingress_kbit_s > 0),
    egress_kbit_s     integer CHECK (egress_kbit_s > 0),
    ingress_packets_s integer CHECK (ingress_packets_s > 0),
    egress_packets_s  integer CHECK (egress_packets_s > 0),
    labels            jsonb NOT NULL DEFAULT '{}',
    generation        bigint NOT NULL DEFAULT 1,
    created_at        timestamptz NOT NULL DEFAULT now(),
    updated_at        timestamptz NOT NULL DEFAULT now()
);

-- For everybody to read.
SELECT noun_register('flavor', 'flavor', owner => 'system', may => 'SELECT',
    fields => 'name description vcpus memory_mib disk_gib ingress_kbit_s=network_limits.ingress_kbit_s
               egress_kbit_s=network_limits.egress_kbit_s ingress_packets_s=network_limits.ingress_packets_s
               egress_packets_s=network_limits.egress_packets_s labels generation');

-- The limits as one value, as the model reads them.
CREATE FUNCTION port_limits(ingress_kbit_s integer, egress_kbit_s integer, ingress_packets_s integer, egress_packets_s integer)
RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT jsonb_build_object('ingress_kbit_s', ingress_kbit_s, 'egress_kbit_s', egress_kbit_s,
                              'ingress_packets_s', ingress_packets_s, 'egress_packets_s', egress_packets_s)
$$;
