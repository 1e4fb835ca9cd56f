-- What an operator sees of the whole cloud: every instance with where it is and whose, and what is stuck. Views; no tenant
-- reads them.

CREATE VIEW cloud_instance AS
SELECT i.id, i.name, i.description, i.labels, i.generation, i.created_at, i.updated_at, i.project_id, i.flavor_id, i.vcpus,
       i.memory_mib, i.disk_gib, i.architecture, i.power, i.guest_shutdown_at, i.placement_reason, i.fault, i.generation_at,
       p.name AS project_name, p.organization_id, o.name AS organization_name, o.ancestors AS organization_path,
       w.host_id, h.name AS host_name, w.placed_at, w.state AS observed_state, w.state_since, w.reason AS observed_reason,
       coalesce(w.generation, 0) AS observed_generation, s.suspended_at, a.seen_at AS host_seen_at, u.host_unreachable,
       t.status
FROM instance i
JOIN project p ON p.id = i.project_id
JOIN organization o ON o.id = p.organization_id
LEFT JOIN instance_host w ON w.instance_id = i.id AND w.role = 'home'
LEFT JOIN host h ON h.id = w.host_id
LEFT JOIN host_agent a ON a.host_id = w.host_id AND a.kind = 'compute'
CROSS JOIN LATERAL (SELECT greatest(p.suspended_at, (SELECT max(above.suspended_at) FROM organization above
                                                     WHERE above.id = ANY (o.ancestors))) AS suspended_at) s
CROSS JOIN LATERAL (SELECT w.host_id IS NOT NULL AND coalesce(a.seen_at < now() - host_lease(), true) AS host_unreachable) u
-- Once a row, however often a reader asks for it: hence the OFFSET.
CROSS JOIN LATERAL (SELECT instance_status(CASE WHEN i.power = 'running' AND s.suspended_at IS NOT NULL THEN 'stopped' ELSE i.power END,
                                           w.host_id IS NOT NULL, i.fault IS NOT NULL, u.host_unreachable, w.state,
                                           coalesce(w.reboots, 0) < i.reboots, w.ran_at IS NULL) AS status OFFSET 0) t;

-- What does not get on, with the reason as a word (model/src/stuck.rs) and since when. Whether that is long is for the reader
-- to say.
CREATE VIEW stuck AS
SELECT t.kind, t.id, t.name, '' AS description, '{}'::jsonb AS labels, t.generation, t.created_at, t.updated_at, t.code, t.since,
       t.detail, t.instance_id, t.project_id, p.name AS project_name, p.organization_id, o.name AS organization_name,
       o.ancestors AS organization_path, t.host_id, h.name AS host_name
FROM (
    SELECT 'instance' AS kind, c.id, c.name, c.generation, c.created_at, c.updated_at, r.code,
           CASE WHEN r.code = 'host_silent' THEN coalesce(c.host_seen_at, c.placed_at)
                WHEN r.code = 'paused_by_host' THEN c.state_since
                WHEN r.code IN ('building', 'stopping', 'rebooting')
                    THEN greatest(c.generation_at, c.placed_at, c.state_since, c.suspended_at)
                ELSE greatest(c.generation_at, c.placed_at) END AS since,
           CASE r.code WHEN 'no_host' THEN c.placement_reason ELSE c.observed_reason END ->> 'text' AS detail,
           c.id AS instance_id, c.project_id, c.host_id
    FROM cloud_instance c CROSS JOIN LATERAL (SELECT CASE
        WHEN c.status = 'pending' THEN 'no_host'
        WHEN c.status = 'deleting' AND c.host_unreachable THEN 'delete_waits_for_host'
        WHEN c.status = 'deleting' THEN 'delete_not_done'
        WHEN c.status = 'unreachable' THEN 'host_silent'
        WHEN c.status = 'paused' THEN 'paused_by_host'
        WHEN c.status IN ('building', 'stopping', 'rebooting') THEN c.status
        WHEN c.status IN ('running', 'stopped') AND c.host_id IS NOT NULL AND c.observed_generation <> c.generation THEN 'not_in_force'
        END AS code OFFSET 0) r
    WHERE r.code IS NOT NULL
    UNION ALL
    SELECT 'action', a.id, i.name, 1, a.created_at, a.created_at, 'action_not_finished', a.created_at, a.kind, i.id, a.project_id, w.host_id
    FROM action a JOIN instance i ON i.id = a.object_id
    LEFT JOIN instance_host w ON w.instance_id = i.id AND w.role = 'home'
    WHERE a.outcome IS NULL AND a.noun = 'instance'
    UNION ALL
    SELECT 'image', m.id, m.name, m.generation, m.created_at, m.updated_at,
           CASE WHEN m.status = 'queued' THEN 'image_without_bytes'
                WHEN m.upload_lease < now() THEN 'image_upload_broken_off' ELSE 'image_upload_slow' END,
           m.updated_at, NULL, NULL, m.project_id, NULL
    FROM image m WHERE m.status <> 'active'
    UNION ALL
    SELECT 'port', q.id, q.name, q.generation, q.created_at, q.updated_at, r.code,
           CASE r.code WHEN 'port_waits_for_host' THEN coalesce(a.seen_at, b.placed_at)
                       WHEN 'port_failed' THEN b.state_since ELSE greatest(q.generation_at, b.placed_at) END,
           b.reason ->> 'text', q.instance_id, q.project_id, b.host_id
    FROM port q JOIN port_host b ON b.port_id = q.id AND b.role = 'home'
    LEFT JOIN host_agent a ON a.host_id = b.host_id AND a.kind = 'net'
    CROSS JOIN LATERAL (SELECT CASE
        WHEN b.state IS NOT DISTINCT FROM 'ready' AND b.generation = q.generation THEN NULL
        WHEN coalesce(a.seen_at < now() - host_lease(), true) THEN 'port_waits_for_host'
        WHEN b.state = 'failed' THEN 'port_failed'
        ELSE 'port_not_in_force' END AS code OFFSET 0) r
    WHERE r.code IS NOT NULL
) t
JOIN project p ON p.id = t.project_id
JOIN organization o ON o.id = p.organization_id
LEFT JOIN host h ON h.id = t.host_id;
