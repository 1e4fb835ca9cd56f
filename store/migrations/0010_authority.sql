-- Roles take the place of the two things an account could be: operator, and member of a project.

-- The way down to an organization, itself last. Kept, because organizations never move: what holds
-- on an organization and all above it is then one comparison, and no walk.
ALTER TABLE organization ADD COLUMN ancestors uuid[];
WITH RECURSIVE tree AS (
    SELECT id, ARRAY[id] AS ancestors FROM organization WHERE parent_id IS NULL
    UNION ALL SELECT o.id, t.ancestors || o.id FROM organization o JOIN tree t ON t.id = o.parent_id
)
UPDATE organization o SET ancestors = tree.ancestors FROM tree WHERE tree.id = o.id;
ALTER TABLE organization
    ALTER COLUMN ancestors SET NOT NULL,
    ADD CONSTRAINT organization_depth CHECK (cardinality(ancestors) BETWEEN 1 AND 8),
    ADD CONSTRAINT organization_ancestors CHECK (ancestors[cardinality(ancestors)] = id
        AND (cardinality(ancestors) = 1) = (parent_id IS NULL)
        AND (parent_id IS NULL OR ancestors[cardinality(ancestors) - 1] = parent_id)),
    -- Names of other people's customers are none of one's business.
    DROP CONSTRAINT organization_name_key,
    ADD CONSTRAINT organization_name UNIQUE NULLS NOT DISTINCT (parent_id, name);
CREATE INDEX organization_by_ancestor ON organization USING gin (ancestors);

CREATE FUNCTION organization_descends() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        NEW.parent_id := OLD.parent_id;
        NEW.ancestors := OLD.ancestors;
    ELSE
        NEW.ancestors := coalesce((SELECT ancestors FROM organization WHERE id = NEW.parent_id), '{}') || NEW.id;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER organization_descends BEFORE INSERT OR UPDATE ON organization
    FOR EACH ROW EXECUTE FUNCTION organization_descends();

INSERT INTO role_binding (id, account_id, role, scope)
    SELECT gen_random_uuid(), id, 'operator', 'system' FROM account WHERE is_operator;
INSERT INTO role_binding (id, account_id, role, scope, organization_id)
    SELECT gen_random_uuid(), id, 'owner', 'organization', organization_id FROM account WHERE is_operator;
INSERT INTO role_binding (id, account_id, role, scope, project_id)
    SELECT gen_random_uuid(), account_id, 'member', 'project', project_id FROM project_member;
DROP TABLE project_member;
ALTER TABLE account DROP COLUMN is_operator;

ALTER TABLE role_binding ADD COLUMN generation bigint NOT NULL DEFAULT 1;
CREATE INDEX role_binding_by_custom_role ON role_binding (custom_role_id) WHERE custom_role_id IS NOT NULL;

-- Every role somebody holds, directly or by a group, with the scope it is bound on. A role that is
-- bound on a suspended organization or project, or below one, is void.
CREATE FUNCTION role_grant(of_account uuid, of_service_account uuid)
RETURNS TABLE (role_binding_id uuid, role text, custom_role_id uuid, permissions text[], scope text,
               organization_id uuid, project_id uuid, is_void boolean)
LANGUAGE sql STABLE AS $$
    SELECT b.id, b.role, b.custom_role_id, c.permissions, b.scope, b.organization_id, b.project_id,
           EXISTS (SELECT FROM organization s
                   WHERE s.suspended_at IS NOT NULL AND s.id = ANY (coalesce(o.ancestors, po.ancestors)))
               OR p.suspended_at IS NOT NULL
    FROM (SELECT * FROM role_binding WHERE account_id = of_account
          UNION ALL
          SELECT r.* FROM account_group_member m JOIN role_binding r ON r.group_id = m.group_id WHERE m.account_id = of_account
          UNION ALL
          SELECT * FROM role_binding WHERE service_account_id = of_service_account) b
    LEFT JOIN custom_role c ON c.id = b.custom_role_id
    LEFT JOIN organization o ON o.id = b.organization_id
    LEFT JOIN project p ON p.id = b.project_id
    LEFT JOIN organization po ON po.id = p.organization_id
$$;
