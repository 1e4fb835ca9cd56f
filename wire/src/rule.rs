//! The rules that refuse requests: for each a stable word for programs. The [`Kind`] says what the answer is, the rule why.
//!
//! The rules of single fields (`errors[].rule`) stand beside the types that check them; a problem that lists fields has the rule
//! [`Rule::Invalid`].

use crate::problem::Kind;

macro_rules! rules {
    ($($rule:ident = $name:literal, $kind:ident, $passes:literal, $about:literal;)+) => {
        /// Why something is refused.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Rule {
            $(#[doc = $about] $rule,)+
        }

        impl Rule {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$rule,)+];

            /// Word, kind, whether the same request may succeed later, and what it means.
            pub const fn row(self) -> (&'static str, Kind, bool, &'static str) {
                match self {
                    $(Self::$rule => ($name, Kind::$kind, $passes, $about),)+
                }
            }
        }
    };
}

rules! {
    // What was sent cannot be read.
    BodyBroken = "body_broken", BadRequest, true, "The body ended before it was whole.";
    BodyNotJson = "body_not_json", BadRequest, false, "The body is not JSON.";
    BodySeveral = "body_several", BadRequest, false, "The body is more than one JSON value.";
    BodyPartial = "body_partial", BadRequest, false, "The body is a part of another, by `Content-Range`.";
    PatchNotObject = "patch_not_object", BadRequest, false, "A merge patch is not an object.";
    IfMatchUnused = "if_match_unused", BadRequest, false, "The operation compares nothing, but `If-Match` was sent.";
    EventIdUnknown = "event_id_unknown", BadRequest, false, "`Last-Event-ID` is not the id of an event.";
    AuthorizationPending = "authorization_pending", AuthorizationPending, true, "The person has not logged in at their provider yet.";
    ContentTypeOther = "content_type_other", UnsupportedMediaType, false, "The body is of another `Content-Type`.";
    ContentEncoded = "content_encoded", UnsupportedMediaType, false, "The body is compressed or otherwise encoded.";
    TooLarge = "too_large", TooLarge, false, "The body is larger than the operation takes.";
    ImageTooLarge = "image_too_large", TooLarge, false, "The image is larger than the cloud takes.";
    Invalid = "invalid", Invalid, false, "Fields are at fault; each has its rule in `errors`.";

    // Nobody is known to ask.
    CredentialsMissing = "credentials_missing", Unauthorized, false, "Neither a token nor the cookie of a session was sent.";
    TokenInvalid = "token_invalid", Unauthorized, false, "The token or API key is unknown, has expired, or is not good here.";
    SessionEnded = "session_ended", Unauthorized, false, "The session or API key has ended.";
    RefreshTokenEnded = "refresh_token_ended", Unauthorized, false, "The refresh token was used, or its session has ended.";
    AccountDisabled = "account_disabled", Unauthorized, false, "The account is disabled or deleted.";
    PasswordWrong = "password_wrong", Unauthorized, false, "The user name or the password is wrong.";
    CodeWrong = "code_wrong", Unauthorized, false, "The code of the second factor is wrong, or was used.";
    ChallengeEnded = "challenge_ended", Unauthorized, false, "The log-in waited too long for its second step.";
    SecondFactorRequired = "second_factor_required", SecondFactorRequired, false, "The password was right; a code is needed.";
    LoginElsewhere = "login_elsewhere", Unauthorized, false, "The log-in was begun in another browser, or too long ago.";
    LoginEnded = "login_ended", Unauthorized, false, "The log-in on a device has ended.";
    LoginNotVouched = "login_not_vouched", Unauthorized, false, "The identity provider does not vouch for the log-in.";
    LoginNoRule = "login_no_rule", Unauthorized, false, "No rule of the organization lets the person in.";
    LoginNoName = "login_no_name", Unauthorized, false, "The identity provider gives no usable name or subject.";

    // Somebody is known, but may not.
    PermissionMissing = "permission_missing", Forbidden, false, "A permission is missing.";
    KeyBound = "key_bound", Forbidden, false, "An API key that is good in some networks only gives nobody what is good elsewhere.";
    CallerSuspended = "caller_suspended", Suspended, false, "The caller's organization is suspended.";
    PlaceSuspended = "place_suspended", Suspended, false, "The project, or an organization above it, is suspended.";
    OriginForeign = "origin_foreign", ForeignPage, false, "The request may be of a page of another site.";
    SessionHeaderMissing = "session_header_missing", ForeignPage, false, "A change by a cookie lacks `X-Iroko-Session: cookie`.";
    NotFound = "not_found", NotFound, false, "There is no such thing, or none that the caller may know of.";
    PersonsOnly = "persons_only", NotFound, false, "This is for people; a service account has no sessions.";
    CookiesNotOffered = "cookies_not_offered", NotFound, false, "The cloud gives no sessions by cookie.";
    MethodNotAllowed = "method_not_allowed", MethodNotAllowed, false, "The path does not offer the method.";

    // What is there forbids it.
    NameTaken = "name_taken", Conflict, false, "Another thing has the name already.";
    ValueTaken = "value_taken", Conflict, false, "Another thing has a value already that only one can have.";
    InUse = "in_use", Conflict, false, "Something else still uses it.";
    InUseLeaving = "in_use_leaving", Conflict, true, "An instance that is being deleted still uses it.";
    NotEmpty = "not_empty", Conflict, false, "Something is still in it.";
    ReferenceGone = "reference_gone", Conflict, false, "Something that the request refers to was deleted meanwhile.";
    LockedOut = "locked_out", Conflict, false, "The caller would lock themselves out.";
    PurgeBegun = "purge_begun", Conflict, false, "It is being purged, which cannot be taken back.";
    LastOwner = "last_owner", Conflict, false, "An organization would lose its last owner.";
    OrganizationTooDeep = "organization_too_deep", Conflict, false, "Too many organizations would stand above each other.";
    RoleNotForSystem = "role_not_for_system", Conflict, false, "The role cannot be given on the system.";
    RoleBindingExists = "role_binding_exists", Conflict, false, "They have the role here already.";
    PasswordNone = "password_none", Conflict, false, "The account has no password: an identity provider vouches for it.";
    TotpEnabled = "totp_enabled", Conflict, false, "A second factor is set up already.";
    TotpNotPending = "totp_not_pending", Conflict, false, "No second factor is being set up.";
    TotpDisabled = "totp_disabled", Conflict, false, "No second factor is set up.";
    UsernameTaken = "username_taken", Conflict, false, "Another account has the user name that a provider gives.";
    ProviderMisconfigured = "provider_misconfigured", Conflict, false, "The identity provider says of itself what cannot be.";
    IdempotencyKeyForeign = "idempotency_key_foreign", Conflict, false, "The key was used with another session or API key.";
    IdempotencyKeyRunning = "idempotency_key_running", Conflict, true, "The request with the key is still being carried out.";
    IdempotencyAnswerLost = "idempotency_answer_lost", Conflict, false, "The request was carried out; its answer is lost.";
    DefaultGroup = "default_group", Conflict, false, "The default security group goes with its project.";
    SecurityGroupFull = "security_group_full", Conflict, false, "The security group has as many rules as it may have.";
    SecurityGroupRuleExists = "security_group_rule_exists", Conflict, false, "The security group has a rule that says the same.";
    SubnetOverlap = "subnet_overlap", Conflict, false, "The range overlaps another subnet of the network.";
    AddressTaken = "address_taken", Conflict, false, "Another port of the network has the IP address.";
    MacTaken = "mac_taken", Conflict, false, "Another port of the network has the MAC address.";
    InterfacesCount = "interfaces_count", Conflict, false, "The instance has as many interfaces as one can have.";
    PortInUse = "port_in_use", Conflict, false, "An instance uses the port.";
    ImageNotActive = "image_not_active", Conflict, false, "The image has no bytes to start from yet.";
    ImageHasBytes = "image_has_bytes", Conflict, false, "The image has bytes, or is being given some.";
    ImageUploadLost = "image_upload_lost", Conflict, false, "The image was deleted, or another upload has taken over.";
    InstanceState = "instance_state", Conflict, false, "The state of the instance forbids what was asked of it.";
    HostDead = "host_dead", Conflict, false, "The host was declared dead.";
    HostInUse = "host_in_use", Conflict, false, "Instances are on the host, or it is enabled.";
    HostAlive = "host_alive", Conflict, true, "The host was heard of a moment ago.";
    OrphanUnknown = "orphan_unknown", Conflict, false, "The host does not know any more what the orphan was to be.";
    OrphanAddressTaken = "orphan_address_taken", Conflict, false, "An address of the orphan is another port's.";
    OrphanPlaceMissing = "orphan_place_missing", Conflict, false, "The orphan's network, subnet or flavor is not there.";
    QuotaExceeded = "quota_exceeded", QuotaExceeded, false, "A quota has no room for it.";
    PoolExhausted = "pool_exhausted", Exhausted, false, "No free address or network number is left.";
    GenerationChanged = "generation_changed", PreconditionFailed, false, "Somebody changed it after it was read.";
    IfMatchUnreadable = "if_match_unreadable", PreconditionFailed, false, "`If-Match` lists no ETags of this API.";

    // Not now.
    RateExceeded = "rate_exceeded", TooManyRequests, true, "The caller or address asks too often.";
    RateQuotaExceeded = "rate_quota_exceeded", TooManyRequests, true, "The project or organization asks more often than its quota allows.";
    LoginAttempts = "login_attempts", TooManyRequests, true, "Too many log-ins have failed.";
    EventStreams = "event_streams", TooManyRequests, true, "The caller or place has as many event streams as it may have.";
    EventStreamsAll = "event_streams_all", Unavailable, true, "The service has as many event streams as it can carry.";
    PasswordQueue = "password_queue", Unavailable, true, "Too many passwords wait to be checked.";
    ProviderSilent = "provider_silent", Unavailable, true, "The identity provider does not answer.";
    ImageRoom = "image_room", Unavailable, true, "The cloud has no room for images now.";
    DatabaseSilent = "database_silent", Unavailable, true, "The database does not answer.";
    Internal = "internal", Internal, true, "The service has failed.";
    Unavailable = "unavailable", Unavailable, true, "A part of the service does not answer.";
    Timeout = "timeout", Timeout, true, "The request took too long.";

    // Between agents and the control plane.
    AgentBody = "agent_body", BadRequest, false, "What an agent sent is not what the call takes.";
    AgentRefused = "agent_refused", Unauthorized, false, "An agent's token or certificate is not good for the call.";
    AgentSessionOld = "agent_session_old", Conflict, false, "Another session of the agent has begun.";
    AgentReport = "agent_report", Invalid, false, "A report cannot be stored.";
    AgentBusy = "agent_busy", TooManyRequests, true, "An agent asks too many things at the same time.";
}

impl Rule {
    /// Its word.
    pub const fn name(self) -> &'static str {
        self.row().0
    }

    /// The kind of answer.
    pub const fn kind(self) -> Kind {
        self.row().1
    }

    /// True where the same request may succeed later without a change.
    pub const fn is_retryable(self) -> bool {
        self.row().2
    }

    /// True where agents hear it, and no caller of the public API.
    pub fn is_of_agents(self) -> bool {
        self.name().starts_with("agent_")
    }
}

/// What says it all by itself, without further words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plain {
    /// See [`Rule::NotFound`].
    NotFound,
    /// See [`Rule::MethodNotAllowed`].
    MethodNotAllowed,
    /// See [`Rule::TooLarge`].
    TooLarge,
    /// See [`Rule::Internal`].
    Internal,
    /// See [`Rule::Unavailable`].
    Unavailable,
    /// See [`Rule::Timeout`].
    Timeout,
}

impl Plain {
    /// As a rule.
    pub const fn rule(self) -> Rule {
        match self {
            Self::NotFound => Rule::NotFound,
            Self::MethodNotAllowed => Rule::MethodNotAllowed,
            Self::TooLarge => Rule::TooLarge,
            Self::Internal => Rule::Internal,
            Self::Unavailable => Rule::Unavailable,
            Self::Timeout => Rule::Timeout,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_rule_is_a_word_of_its_own() {
        let names: BTreeSet<_> = Rule::ALL.iter().map(|rule| rule.name()).collect();
        assert_eq!(names.len(), Rule::ALL.len());
        for rule in Rule::ALL {
            let (name, kind, passes, about) = rule.row();
            assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{name}");
            assert!(about.ends_with('.'), "{name}");
            assert!(passes || !kind.is_retryable(), "{name}: its kind passes");
        }
    }

    /// A kind of refusal with several reasons tells which.
    #[test]
    fn no_rule_is_as_wide_as_its_kind() {
        for kind in Kind::ALL {
            let of_kind: Vec<_> = Rule::ALL.iter().filter(|rule| rule.kind() == kind && !rule.is_of_agents()).collect();
            assert!(!of_kind.is_empty(), "{kind:?} has no rule");
            let is_wide = of_kind.iter().any(|rule| rule.name() == kind.row().0.replace('-', "_"));
            let says_all = of_kind.len() == 1 || matches!(kind, Kind::NotFound | Kind::TooLarge | Kind::Unavailable);
            assert!(!is_wide || says_all, "{kind:?} has a rule for whatever has none");
        }
    }
}
