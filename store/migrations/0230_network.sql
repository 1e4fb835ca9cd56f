-- Networks.

CREATE TABLE network (
    id          uuid PRIMARY KEY,
    project_id  uuid NOT NULL REFERENCES project,
    name        text NOT NULL,
    description text NOT NULL DEFAULT '',
    vni         integer NOT NULL UNIQUE CHECK (vni BETWEEN 1 AND 16777215),
    mtu         integer NOT NULL CHECK (mtu BETWEEN 1280 AND 9216),
    generation  bigint NOT NULL DEFAULT 1,
    labels      jsonb NOT NULL DEFAULT '{}',
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX network_by_project ON network (project_id, id);

-- Its VNI is the operator's business.
SELECT noun_register('network', 'network', owner => 'project', quota => 'networks', purge_rank => 30,
    fields => 'name description mtu labels generation');

-- The lowest VNI nobody has: all that a bound transaction may know of other networks.
CREATE FUNCTION vni_lowest_gap(first integer, last integer) RETURNS integer
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT min(candidate) FROM (
        SELECT first AS candidate UNION ALL SELECT vni + 1 FROM network WHERE vni BETWEEN first AND last - 1
    ) AS c WHERE NOT EXISTS (SELECT FROM network n WHERE n.vni = candidate)
$$;
