//! The table, written by hand: who may do what. Whoever adds an operation adds its row here.

/// Where an operation asks for its permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Nowhere: everybody may, without a token.
    Public,
    /// Nowhere, but they must have logged in.
    Login,
    /// In the project of the path.
    Project,
    /// In the organization of the path.
    Organization,
    /// In the organization of the project of the path.
    AboveProject,
    /// In the organization above that of the path, or on the system.
    AboveOrganization,
    /// On the system.
    System,
}

use Place::{AboveOrganization, AboveProject, Login, Organization, Project, Public, System};

/// Operation, where, permission, who has it, and the answer to the test's request once it is allowed.
pub type Row = (&'static str, Place, &'static str, &'static str, u16);

/// Everybody who works with what a project owns: owner, admin, member.
const WORK: &str = "owner admin member";
/// And those who only look.
const LOOK: &str = "owner admin member reader custom auditor operator";
/// The same without operators, who are to know no keys.
const KEYS: &str = "owner admin member reader auditor";
const ALL_BUT_CUSTOM: &str = "owner admin member reader auditor operator";
/// Who runs people.
const RUN: &str = "owner admin";
const PEOPLE: &str = "owner admin auditor operator";

/// The answers of the last column are those of a request that gets past the policy and is then refused for
/// what it says (422) or for what is still there (409), wherever that can be had: it changes nothing.
pub const TABLE: &[Row] = &[
    ("healthz", Public, "", "", 200),
    ("readyz", Public, "", "", 200),
    ("jwks", Public, "", "", 200),
    ("problem_get", Public, "", "", 200),
    ("token_create", Public, "", "", 422),
    ("token_refresh", Public, "", "", 422),
    ("session_list", Login, "", "", 200),
    ("session_delete", Login, "", "", 404),
    ("session_delete_all", Login, "", "", 204),
    ("password_change", Login, "", "", 422),
    ("me_get", Login, "", "", 200),
    ("project_list", Login, "", "", 200),
    ("organization_list", Login, "", "", 200),
    ("flavor_list", Login, "", "", 200),
    ("flavor_get", Login, "", "", 200),
    ("image_list", Project, "image.read", LOOK, 200),
    ("image_create", Project, "image.create", WORK, 422),
    ("image_get", Project, "image.read", LOOK, 200),
    ("image_upload", Project, "image.create", WORK, 409),
    ("image_delete", Project, "image.delete", WORK, 409),
    ("instance_list", Project, "instance.read", LOOK, 200),
    ("instance_create", Project, "instance.create", WORK, 422),
    ("instance_get", Project, "instance.read", LOOK, 200),
    ("instance_console_log", Project, "instance.console", WORK, 200),
    ("instance_user_data", Project, "instance.user_data", WORK, 200),
    ("instance_start", Project, "instance.power", "owner admin member custom", 202),
    ("instance_reboot", Project, "instance.power", "owner admin member custom", 202),
    ("instance_stop", Project, "instance.power", "owner admin member custom", 202),
    ("instance_delete", Project, "instance.delete", WORK, 202),
    ("network_list", Project, "network.read", ALL_BUT_CUSTOM, 200),
    ("network_create", Project, "network.create", WORK, 422),
    ("network_get", Project, "network.read", ALL_BUT_CUSTOM, 200),
    ("network_delete", Project, "network.delete", WORK, 409),
    ("port_list", Project, "port.read", ALL_BUT_CUSTOM, 200),
    ("port_create", Project, "port.create", WORK, 422),
    ("port_get", Project, "port.read", ALL_BUT_CUSTOM, 200),
    ("port_delete", Project, "port.delete", WORK, 409),
    ("ssh_key_list", Project, "ssh_key.read", KEYS, 200),
    ("ssh_key_create", Project, "ssh_key.create", WORK, 422),
    ("ssh_key_get", Project, "ssh_key.read", KEYS, 200),
    ("ssh_key_delete", Project, "ssh_key.delete", WORK, 204),
    ("subnet_list", Project, "subnet.read", ALL_BUT_CUSTOM, 200),
    ("subnet_create", Project, "subnet.create", WORK, 422),
    ("subnet_get", Project, "subnet.read", ALL_BUT_CUSTOM, 200),
    ("subnet_delete", Project, "subnet.delete", WORK, 409),
    ("audit_checkpoint", Login, "", "", 200),
    ("audit_project_list", Project, "audit.read", "owner admin auditor", 200),
    ("audit_organization_list", Organization, "audit.read", "owner admin auditor", 200),
    ("audit_organization_export", Organization, "audit.read", "owner admin auditor", 200),
    ("audit_system_list", System, "system_audit.read", "operator auditor", 200),
    ("audit_system_export", System, "system_audit.read", "operator auditor", 200),
    ("event_list", Project, "event.read", KEYS, 400),
    ("project_get", Project, "project.read", ALL_BUT_CUSTOM, 200),
    ("project_update", Project, "project.update", "owner admin operator", 422),
    ("project_delete", AboveProject, "project.delete", "owner admin operator", 409),
    ("project_suspend", AboveProject, "project.suspend", "owner admin operator", 200),
    ("project_resume", AboveProject, "project.suspend", "owner admin operator", 200),
    ("project_quota_get", Project, "quota.read", ALL_BUT_CUSTOM, 200),
    ("project_quota_set", AboveProject, "quota.update", "owner operator", 422),
    ("organization_suspend", AboveOrganization, "organization.suspend", "owner operator", 200),
    ("organization_resume", AboveOrganization, "organization.suspend", "owner operator", 200),
    ("organization_quota_get", Organization, "quota.read", ALL_BUT_CUSTOM, 200),
    ("organization_quota_set", AboveOrganization, "quota.update", "owner operator", 422),
    ("project_create", Organization, "project.create", "owner admin operator", 422),
    ("organization_project_list", Organization, "project.read", ALL_BUT_CUSTOM, 200),
    ("project_role_binding_list", Project, "role_binding.read", PEOPLE, 200),
    ("project_role_binding_create", Project, "role_binding.create", "owner admin operator", 422),
    ("project_role_binding_get", Project, "role_binding.read", PEOPLE, 200),
    ("project_role_binding_delete", Project, "role_binding.delete", "owner admin operator", 204),
    ("organization_create", System, "organization.create", "operator", 422),
    ("organization_get", Organization, "organization.read", ALL_BUT_CUSTOM, 200),
    ("organization_update", Organization, "organization.update", "owner operator", 422),
    ("organization_delete", AboveOrganization, "organization.delete", "owner operator", 409),
    ("organization_children", Organization, "organization.read", ALL_BUT_CUSTOM, 200),
    ("organization_create_below", Organization, "organization.create", "owner operator", 422),
    ("user_list", Organization, "user.read", PEOPLE, 200),
    ("user_create", Organization, "user.create", "owner admin operator", 422),
    ("user_get", Organization, "user.read", PEOPLE, 200),
    ("user_update", Organization, "user.update", "owner admin operator", 422),
    ("user_delete", Organization, "user.delete", RUN, 204),
    ("password_reset", Organization, "user.credential", "owner", 422),
    ("group_list", Organization, "group.read", PEOPLE, 200),
    ("group_create", Organization, "group.create", RUN, 422),
    ("group_get", Organization, "group.read", PEOPLE, 200),
    ("group_update", Organization, "group.update", RUN, 422),
    ("group_delete", Organization, "group.delete", RUN, 204),
    ("group_member_list", Organization, "group.read", PEOPLE, 200),
    ("group_member_add", Organization, "group.update", RUN, 204),
    ("group_member_remove", Organization, "group.update", RUN, 204),
    ("service_account_list", Organization, "service_account.read", PEOPLE, 200),
    ("service_account_create", Organization, "service_account.create", RUN, 422),
    ("service_account_get", Organization, "service_account.read", PEOPLE, 200),
    ("service_account_update", Organization, "service_account.update", RUN, 422),
    ("service_account_delete", Organization, "service_account.delete", RUN, 204),
    ("api_key_list", Organization, "api_key.read", PEOPLE, 200),
    ("api_key_create", Organization, "api_key.create", RUN, 422),
    ("api_key_delete", Organization, "api_key.delete", RUN, 404),
    ("totp_reset", Organization, "user.credential", "owner", 404),
    ("totp_get", Login, "", "", 200),
    ("totp_enrol", Login, "", "", 422),
    ("totp_confirm", Login, "", "", 422),
    ("totp_disable", Login, "", "", 422),
    ("totp_recovery_codes", Login, "", "", 422),
    ("token_second_factor", Public, "", "", 422),
    ("identity_provider_list", Organization, "identity_provider.read", PEOPLE, 200),
    ("identity_provider_create", Organization, "identity_provider.manage", "owner", 422),
    ("identity_provider_get", Organization, "identity_provider.read", PEOPLE, 404),
    ("identity_provider_update", Organization, "identity_provider.manage", "owner", 422),
    ("identity_provider_delete", Organization, "identity_provider.manage", "owner", 404),
    ("oidc_list", Public, "", "", 200),
    ("oidc_start", Public, "", "", 404),
    ("oidc_callback", Public, "", "", 422),
    ("oidc_device", Public, "", "", 404),
    ("oidc_device_token", Public, "", "", 422),
    ("role_list", Organization, "role.read", PEOPLE, 200),
    ("role_create", Organization, "role.create", RUN, 422),
    ("role_get", Organization, "role.read", PEOPLE, 200),
    ("role_update", Organization, "role.update", RUN, 422),
    ("role_delete", Organization, "role.delete", RUN, 204),
    ("organization_role_binding_list", Organization, "role_binding.read", PEOPLE, 200),
    ("organization_role_binding_create", Organization, "role_binding.create", "owner admin operator", 422),
    ("organization_role_binding_get", Organization, "role_binding.read", PEOPLE, 200),
    ("organization_role_binding_delete", Organization, "role_binding.delete", "owner admin operator", 204),
    ("system_role_binding_list", System, "role_binding.read", "operator auditor", 200),
    ("system_role_binding_create", System, "role_binding.create", "operator", 422),
    ("system_role_binding_get", System, "role_binding.read", "operator auditor", 200),
    ("system_role_binding_delete", System, "role_binding.delete", "operator", 204),
    ("enrolment_token_list", System, "enrolment_token.read", "operator auditor", 200),
    ("enrolment_token_create", System, "enrolment_token.create", "operator", 422),
    ("enrolment_token_delete", System, "enrolment_token.delete", "operator", 204),
    ("signing_key_list", System, "signing_key.read", "operator auditor", 200),
    ("signing_key_rotate", System, "signing_key.rotate", "operator", 200),
    ("signing_key_delete", System, "signing_key.rotate", "operator", 204),
    ("flavor_create", System, "flavor.create", "operator", 422),
    ("flavor_delete", System, "flavor.delete", "operator", 204),
    ("host_list", System, "host.read", "operator auditor", 200),
    ("host_get", System, "host.read", "operator auditor", 200),
    ("host_update", System, "host.update", "operator", 422),
    ("host_delete", System, "host.delete", "operator", 204),
    // Ends the session of whoever asks: the last row.
    ("session_log_out", Login, "", "", 204),
];

/// What somebody above a suspended organization or project may still do in it, besides reading.
pub const WHILE_SUSPENDED: &[&str] =
    &["organization.suspend", "organization.delete", "project.suspend", "project.delete", "quota.update"];
