//! Actions -> one nft transaction. Pure.
//!
//! Removals are written as `add` and `delete`, so that an element that is already gone does not
//! fail the whole.

use super::{BASE, Set, of_element};
use crate::object::{Element, Key, Value};
use crate::plan::Action;
use std::collections::BTreeMap;
use std::fmt::Write;

/// The transaction of these actions; empty for none.
pub fn transaction(actions: &[Action]) -> String {
    let mut text = String::new();
    if actions.iter().any(|action| matches!(action, Action::Ensure(Key::Base, _))) {
        text.push_str(&remove_tables());
        text.push_str(BASE);
    } else if actions.iter().any(|action| matches!(action, Action::Remove(Key::Base, _))) {
        return remove_tables();
    }
    let mut batches = Batches::default();
    actions.iter().for_each(|action| batches.take(action));
    batches.write(&mut text);
    text
}

fn remove_tables() -> String {
    let per_family = |family| format!("add table {family} ik\ndelete table {family} ik\n");
    per_family("bridge") + &per_family("inet")
}

/// Elements by set: nft takes a thousand in one command as quickly as one.
#[derive(Default)]
struct Batches {
    away: BTreeMap<Set, Vec<(String, Option<String>)>>,
    new: BTreeMap<Set, Vec<(String, Option<String>)>>,
}

impl Batches {
    fn take(&mut self, action: &Action) {
        match action {
            Action::Ensure(Key::Element(element), value) => self.put(element, value),
            Action::Remove(Key::Element(element), value) => self.remove(element, value),
            Action::Ensure(..) | Action::Remove(..) | Action::Reload(_) => {}
        }
    }

    fn put(&mut self, element: &Element, value: &Value) {
        let (set, key, data) = of_element(element, Some(value));
        self.new.entry(set).or_default().push((key, data));
    }

    fn remove(&mut self, element: &Element, value: &Value) {
        let (set, key, data) = of_element(element, Some(value));
        self.away.entry(set).or_default().push((key, data));
    }

    fn write(&self, text: &mut String) {
        for (set, elements) in &self.away {
            command(text, "add", *set, elements);
            let keys: Vec<_> = elements.iter().map(|(key, _)| (key.clone(), None)).collect();
            command(text, "delete", *set, &keys);
        }
        for (set, elements) in &self.new {
            command(text, "add", *set, elements);
        }
    }
}

fn command(text: &mut String, verb: &str, set: Set, elements: &[(String, Option<String>)]) {
    let item = |(key, data): &(String, Option<String>)| match data {
        Some(data) => format!("{key} : {data}"),
        None => key.clone(),
    };
    let items: Vec<String> = elements.iter().map(item).collect();
    let Set { family, name } = set;
    writeln!(text, "{verb} element {family} ik {name} {{ {} }}", items.join(", ")).expect("a string takes all text");
}
