-- A cloud of $1 instances, four times as many that are gone, a host for every 25 instances, a network for every 12.5 and a
-- project for every 62.5, with the outbox, events and audit records of a busy time. Half of all instances are one project's, in one group.
--
-- Rows are written without triggers and foreign keys: that is what makes it quick.

CREATE TEMP TABLE size AS SELECT $1::integer AS instances, $1 / 25 AS hosts, $1 / 125 * 2 AS projects, $1 / 125 * 10 AS networks;
-- An id for the n-th of a kind.
CREATE FUNCTION pg_temp.id(kind integer, n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT (lpad(to_hex(kind), 8, '0') || '-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid
$$;
-- Networks of even numbers are the first project's, the others go round.
CREATE FUNCTION pg_temp.project(network bigint) RETURNS uuid LANGUAGE sql STABLE AS $$
    SELECT pg_temp.id(2, CASE WHEN network % 2 = 0 THEN 0 ELSE network % projects END) FROM size
$$;

INSERT INTO organization (id, name, ancestors) SELECT o, 'growth', ARRAY[o] FROM pg_temp.id(1, 0) AS o;
INSERT INTO project (id, organization_id, name) SELECT pg_temp.id(2, n), pg_temp.id(1, 0), 'p' || n FROM size, generate_series(0, projects - 1) AS n;
SELECT count(security_group_make_default(id)) FROM project WHERE organization_id = pg_temp.id(1, 0);
INSERT INTO flavor (id, name, vcpus, memory_mib, disk_gib) VALUES (pg_temp.id(3, 0), 'growth', 1, 64, 1);
INSERT INTO image (id, project_id, name, architecture, disk_format, status, size_bytes, virtual_size_bytes, sha256)
    SELECT pg_temp.id(4, n), pg_temp.id(2, n), 'image', 'x86_64', 'raw', 'active', 512, 512, repeat('0', 64) FROM size, generate_series(0, projects - 1) AS n;
INSERT INTO host (id, name, architecture, vcpus, memory_mib, disk_gib, vtep, underlay_mtu)
    SELECT pg_temp.id(5, n), 'growth-' || n, 'x86_64', 1000, 64000, 1000, '192.0.2.1', 1500 FROM size, generate_series(0, hosts - 1) AS n;
INSERT INTO host_agent (host_id, kind, certificate_serial, incarnation, seen_at)
    SELECT pg_temp.id(5, n), kind, kind || n, 1, now() FROM size, generate_series(0, hosts - 1) AS n, unnest(ARRAY['compute', 'net']) AS kind;
INSERT INTO network (id, project_id, name, vni, mtu)
    SELECT pg_temp.id(6, n), pg_temp.project(n), 'n' || n, 5000 + n, 1450 FROM size, generate_series(0, networks - 1) AS n;
INSERT INTO subnet (id, project_id, network_id, name, cidr, gateway, service, pools)
    SELECT pg_temp.id(7, n), pg_temp.project(n), pg_temp.id(6, n), 's', '10.0.0.0/16', '10.0.0.1', '10.0.0.2', '[{"first": "10.0.0.3", "last": "10.0.255.254"}]'
    FROM size, generate_series(0, networks - 1) AS n;

CREATE TEMP TABLE made AS
    SELECT n, pg_temp.id(8, n) AS id, pg_temp.id(9, n) AS port, n % networks AS net, pg_temp.project(n % networks) AS project,
           pg_temp.id(5, n % hosts) AS host FROM size, generate_series(0, instances - 1) AS n;
INSERT INTO instance (id, project_id, name, hostname, flavor_id, vcpus, memory_mib, disk_gib, image_id, architecture, power, placement_after)
    SELECT id, project, 'i' || n, 'i' || n, pg_temp.id(3, 0), 1, 64, 1, pg_temp.id(4, 0), 'x86_64', 'running', NULL FROM made;
INSERT INTO instance_host (instance_id, project_id, host_id, role, vcpus, memory_mib, disk_gib, state, generation, ran_at)
    SELECT id, project, host, 'home', 1, 64, 1, 'running', 1, now() FROM made;
INSERT INTO port (id, project_id, network_id, instance_id, mac, tap)
    SELECT port, project, pg_temp.id(6, net), id, ('02' || lpad(to_hex(n), 10, '0'))::macaddr, 'g' || n FROM made;
INSERT INTO port_host (port_id, project_id, network_id, host_id, role, state, generation)
    SELECT port, project, pg_temp.id(6, net), host, 'home', 'ready', 1 FROM made;
INSERT INTO ip_allocation (network_id, address, subnet_id, port_id)
    SELECT pg_temp.id(6, net), '10.0.0.10'::inet + n / networks, pg_temp.id(7, net), port FROM made, size;
INSERT INTO port_security_group (project_id, port_id, security_group_id)
    SELECT m.project, m.port, g.id FROM made m JOIN security_group g ON g.project_id = m.project AND g.is_default;

INSERT INTO instance_history (id, project_id, name, description, hostname, labels, flavor_id, vcpus, memory_mib, disk_gib, image_id,
                              generation, on_guest_shutdown, created_at, updated_at, deleted_at)
    SELECT pg_temp.id(10, n), pg_temp.project(n), 'gone', '', 'gone', '{}', pg_temp.id(3, 0), 1, 64, 1, pg_temp.id(4, 0), 2, 'stay_off', t, t, t
    FROM size, generate_series(1, instances * 4) AS n, LATERAL (SELECT now() - n * interval '1 minute' AS t) AS at;
INSERT INTO event (revision, noun, object_id, verb, project_id, after, created_at)
    SELECT 1 + n / 1000, 'instance', pg_temp.id(10, n), 'changed', pg_temp.project(n), '{"status": null}', now() - interval '6 days'
    FROM size, generate_series(1, instances * 4) AS n;
INSERT INTO change (revision, kind, object_id, host_id, network_id, created_at)
    SELECT 1 + n / 1000, 'port', port, host, pg_temp.id(6, net), now() - interval '5 minutes' FROM made;
INSERT INTO audit_record (id, revision, organization_id, project_id, operation, outcome, created_at, leaf_index, organization_index, leaf_hash, record)
    SELECT pg_temp.id(11, n), 1, pg_temp.id(1, 0), pg_temp.project(n), 'instance_create', 'done', now(), n, n, '\x00', '{}'
    FROM size, generate_series(1, instances) AS n;
