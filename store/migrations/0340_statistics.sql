-- What hosts counted of ports and of rules. Nobody waits for it: no events, no audit, no outbox.
--
-- A host tells counts that only grow, of an epoch that it names. What it told of epochs before is
-- added up in "before", so that a port's row stays one for each host it has been on, and its totals
-- are the sum of all its rows: an instance that moves keeps them, and no host writes another's row.

-- The last report of statistics of a host. Of its own, because heartbeats must not wait for it.
CREATE TABLE host_statistics (
    host_id     uuid PRIMARY KEY REFERENCES host ON DELETE CASCADE,
    incarnation bigint NOT NULL,
    sequence    bigint NOT NULL,
    counted_at  timestamptz NOT NULL
) WITH (fillfactor = 50);

-- Counts: rx_packets, rx_bytes, tx_packets, tx_bytes, rx_dropped_groups, rx_dropped_limits,
-- tx_dropped_security, tx_dropped_groups, tx_dropped_limits. Further ones go behind.
CREATE TABLE port_statistics (
    project_id uuid NOT NULL,
    port_id    uuid NOT NULL,
    -- Without a foreign key: what was counted outlives the host.
    host_id    uuid NOT NULL,
    epoch      bigint NOT NULL,
    before     bigint[] NOT NULL DEFAULT '{}',
    since      bigint[] NOT NULL,
    counted_at timestamptz NOT NULL,
    PRIMARY KEY (port_id, host_id),
    CONSTRAINT port_statistics_port FOREIGN KEY (project_id, port_id) REFERENCES port (project_id, id) ON DELETE CASCADE
) WITH (fillfactor = 50);

-- Counts: packets, bytes.
CREATE TABLE security_group_rule_statistics (
    project_id uuid NOT NULL,
    rule_id    uuid NOT NULL REFERENCES security_group_rule ON DELETE CASCADE,
    host_id    uuid NOT NULL,
    epoch      bigint NOT NULL,
    before     bigint[] NOT NULL DEFAULT '{}',
    since      bigint[] NOT NULL,
    counted_at timestamptz NOT NULL,
    PRIMARY KEY (rule_id, host_id)
) WITH (fillfactor = 50);

-- Count by count. More than a bigint holds is as much as it holds: no host can make a sum fail.
CREATE FUNCTION counts_sum(one bigint[], other bigint[]) RETURNS bigint[] LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT coalesce(array_agg(least(coalesce(a, 0)::numeric + coalesce(b, 0), 9223372036854775807)::bigint ORDER BY n), '{}')
    FROM unnest(one, other) WITH ORDINALITY AS t (a, b, n)
$$;
CREATE FUNCTION counts_most(one bigint[], other bigint[]) RETURNS bigint[] LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT coalesce(array_agg(greatest(a, b) ORDER BY n), '{}') FROM unnest(one, other) WITH ORDINALITY AS t (a, b, n)
$$;
CREATE AGGREGATE counts_total(bigint[]) (SFUNC = counts_sum, STYPE = bigint[], INITCOND = '{}', PARALLEL = SAFE);

SELECT part_register('host_statistics', visible => 'EXISTS (SELECT FROM instance_host w WHERE w.host_id = host_statistics.host_id)');
GRANT SELECT (host_id, counted_at) ON host_statistics TO iroko_tenant;
SELECT part_register('port_statistics', visible => 'project_id = bound_project()', may => 'SELECT');
SELECT part_register('security_group_rule_statistics', visible => 'project_id = bound_project()', may => 'SELECT');
