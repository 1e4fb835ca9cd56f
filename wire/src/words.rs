//! Words of the model as the document lists them: schemas only, made from the model's own lists, so that a new word is in
//! the document as soon as it is in the model. A field that is such a word is a text in code; what is wrong with
//! it is said when it is checked.

use iroko_model::connection_log::{Reason as Reasons, Verdict as Verdicts};
use iroko_model::stuck::StuckCode as StuckCodes;
use iroko_model::{Permission as Permissions, Role as Roles};
use std::borrow::Cow;
use utoipa::openapi::schema::{Object, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

macro_rules! words {
    ($($name:ident of $of:ident: $about:literal;)*) => {$(
        #[doc = $about]
        #[derive(Debug)]
        pub enum $name {}

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let words = $of::ALL.iter().map(|word| word.as_str());
                let text = Object::builder().schema_type(Type::String).description(Some($about));
                text.examples(words.clone().take(1).map(serde_json::Value::from)).enum_values(Some(words)).build().into()
            }
        }

        impl ToSchema for $name {
            fn name() -> Cow<'static, str> {
                Cow::Borrowed(stringify!($name))
            }
        }
    )*};
}

words! {
    BuiltinRole of Roles: "A built-in role.";
    Permission of Permissions: "A permission.";
    StuckCode of StuckCodes: "Why something does not get on.";
    Verdict of Verdicts: "What became of a packet on its port's host.";
    VerdictReason of Reasons: "Why it became so.";
}
