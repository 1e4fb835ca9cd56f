-- How much each port of a machine may carry; null: as much as its host can. Directions are the machine's.
-- A machine copies its flavor's limits with the rest of its size.

ALTER TABLE flavor
    ADD ingress_kbit_s    integer CHECK (ingress_kbit_s > 0),
    ADD egress_kbit_s     integer CHECK (egress_kbit_s > 0),
    ADD ingress_packets_s integer CHECK (ingress_packets_s > 0),
    ADD egress_packets_s  integer CHECK (egress_packets_s > 0);

ALTER TABLE instance
    ADD ingress_kbit_s    integer CHECK (ingress_kbit_s > 0),
    ADD egress_kbit_s     integer CHECK (egress_kbit_s > 0),
    ADD ingress_packets_s integer CHECK (ingress_packets_s > 0),
    ADD egress_packets_s  integer CHECK (egress_packets_s > 0);

-- The limits as one value, as the model reads them.
CREATE FUNCTION port_limits(ingress_kbit_s integer, egress_kbit_s integer, ingress_packets_s integer, egress_packets_s integer)
RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT jsonb_build_object('ingress_kbit_s', ingress_kbit_s, 'egress_kbit_s', egress_kbit_s,
                              'ingress_packets_s', ingress_packets_s, 'egress_packets_s', egress_packets_s)
$$;
