//! Rules of segments: who fits is in the segment, at once and without anybody's doing.

use std::collections::BTreeSet;
use std::sync::Arc;

use definitions::condition::{Condition, ConditionError, Environment, Record, Type};
use types::property::{Definitions, PropertyName, PropertyType, PropertyValue};
use types::{ContactId, SegmentId};

use super::{Book, Contact, Fact, Moment};

/// Segments by rule of one tenant, at most: every change of a contact is held to all of them.
pub(crate) const MAX_RULES: usize = 100;

/// Where a rule finds custom properties.
const PROPERTIES: &str = "contact.properties.";

/// A rule that was checked against what the tenant defines. What it reads of that stays as it is: types are for good, and
/// a definition that a rule reads is not taken back.
#[derive(Debug)]
pub(crate) struct Rule {
    environment: Environment,
    condition: Condition,
    /// The properties it is about.
    properties: BTreeSet<PropertyName>,
}

impl Rule {
    /// Reads a rule; what it names has to be there, and of the type that it takes it for.
    pub(crate) fn compile(source: &str, definitions: &Definitions) -> Result<Self, ConditionError> {
        let environment = environment(definitions);
        let condition = Condition::compile(source, &environment)?;
        let named = condition.fields().filter_map(|path| path.strip_prefix(PROPERTIES)?.parse().ok());
        Ok(Self { properties: named.collect(), environment, condition })
    }

    /// Whether it is about a property.
    pub(crate) fn is_about(&self, property: &PropertyName) -> bool {
        self.properties.contains(property)
    }

    /// Whether a contact fits. One of whom the rule cannot be answered, such as for a property that it has not, does not.
    pub(crate) fn holds(&self, contact: &Contact) -> bool {
        let mut values = self.environment.values();
        values
            .set("contact.status", contact.status.name())
            .set("contact.tags", contact.tags.iter().map(String::as_str).collect::<Vec<_>>())
            .set("contact.locale", &contact.profile.locale)
            .set("contact.created_at", contact.created_at);
        for name in &self.properties {
            let path = format!("{PROPERTIES}{name}");
            match contact.properties.get(name) {
                Some(PropertyValue::Text(text)) => values.set(&path, text),
                Some(PropertyValue::Integer(number)) => values.set(&path, *number),
                Some(PropertyValue::Boolean(flag)) => values.set(&path, *flag),
                // no rule reads a decimal
                Some(PropertyValue::Decimal(_)) | None => &mut values,
            };
        }
        self.condition.evaluate(&values).unwrap_or(false)
    }
}

/// What a rule may read.
fn environment(definitions: &Definitions) -> Environment {
    let properties = definitions.values().fold(Record::new(), |record, definition| {
        let of = match definition.kind {
            PropertyType::String => Type::String,
            PropertyType::Integer => Type::Int,
            PropertyType::Boolean => Type::Bool,
            // conditions have no numbers with a fraction, and as texts they would be ordered wrongly
            PropertyType::Decimal => return record,
        };
        record.nullable(definition.name.to_string(), of)
    });
    let contact = Record::new()
        .field("status", Type::String)
        .field("tags", Type::StringList)
        .field("locale", Type::String)
        .field("created_at", Type::Timestamp)
        .record("properties", properties);
    Environment::new(Record::new().record("contact", contact))
}

impl Book {
    /// Holds all contacts that changed since the last call to all rules, but for those that were erased (A13). At the end of every command that may change one, so
    /// that what the command says of it is settled, and before the next one reads it.
    pub(super) fn follow_rules(&mut self, when: Moment) {
        for id in self.people.take_changed() {
            let Some(contact) = self.people.get(id).filter(|contact| contact.erased_at.is_none()) else {
                continue;
            };
            let moves = |(segment, rule): (&SegmentId, &Arc<Rule>)| {
                let holds = rule.holds(contact);
                (holds != contact.segments.contains(segment)).then(|| (segment.clone(), holds))
            };
            let moves = self.rules.iter().filter_map(moves).collect();
            self.move_by_rule(id, moves, when);
        }
    }

    /// Holds these contacts to the rule of one segment, as if it had been there before them.
    pub(crate) fn fill(&mut self, segment: &SegmentId, contacts: &[ContactId], when: Moment) {
        let Some(rule) = self.rules.get(segment).cloned() else { return };
        for id in contacts {
            let Some(contact) = self.people.get(*id).filter(|contact| contact.erased_at.is_none()) else {
                continue;
            };
            let holds = rule.holds(contact);
            if holds != contact.segments.contains(segment) {
                self.move_by_rule(*id, vec![(segment.clone(), holds)], when);
            }
        }
    }

    /// Has a contact join segments, and leave others.
    fn move_by_rule(&mut self, contact: ContactId, moves: Vec<(SegmentId, bool)>, when: Moment) {
        let mut joined = BTreeSet::new();
        for (segment, joins) in moves {
            if joins && self.people.join(contact, &segment) {
                self.record(when.occurred_at, Fact::SegmentJoined(contact, segment.clone()));
                joined.insert(segment);
            } else if !joins && self.people.leave(contact, &segment) {
                self.record(when.occurred_at, Fact::SegmentLeft(contact, segment));
            }
        }
        if !joined.is_empty() {
            self.draw_coupons(contact, &joined, when.occurred_at);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use types::Timestamp;
    use types::property::{Definition, Properties};

    use super::*;
    use crate::domain::{ContactStatus, Profile};

    fn definitions() -> Definitions {
        let kinds = [
            ("plan", PropertyType::String),
            ("seats", PropertyType::Integer),
            ("score", PropertyType::Decimal),
            ("beta", PropertyType::Boolean),
        ];
        let definition = |(name, kind): (&str, _)| Definition {
            name: name.parse().unwrap(),
            kind,
            required: false,
            personal: true,
            description: String::new(),
            used: false,
            created_at: Timestamp::UNIX_EPOCH,
        };
        kinds.into_iter().map(definition).map(|d| (d.name.clone(), d)).collect()
    }

    fn contact() -> Contact {
        Contact {
            id: types::new_id(Timestamp::UNIX_EPOCH),
            email: None,
            uid: None,
            profile: Profile { locale: "de-AT".to_owned(), ..Profile::default() },
            tags: BTreeSet::from(["vip".to_owned()]),
            status: ContactStatus::Enrolled,
            segments: BTreeSet::new(),
            created_at: time::macros::datetime!(2025-06-01 12:00 UTC),
            flags: BTreeMap::new(),
            erased_at: None,
            properties: Properties::from([
                ("plan".parse().unwrap(), PropertyValue::Text("pro".to_owned())),
                ("seats".parse().unwrap(), PropertyValue::Integer(12)),
            ]),
        }
    }

    #[test]
    fn a5_a_rule_reads_status_tags_locale_time_and_properties() {
        for (rule, expected) in [
            ("contact.status == 'ENROLLED'", true),
            ("'vip' in contact.tags && size(contact.tags) == 1", true),
            ("contact.locale.startsWith('de')", true),
            ("contact.created_at > timestamp('2025-01-01T00:00:00Z')", true),
            ("contact.properties.plan == 'pro' && contact.properties.seats >= 12", true),
            ("contact.properties.plan in ['free', 'basic']", false),
            ("has(contact.properties.seats) && !has(contact.properties.beta)", true),
            ("contact.properties.beta == null", true),
            // what the contact has not cannot be answered, and so is not so; nor is its contrary
            ("contact.properties.beta", false),
            ("!contact.properties.beta", false),
            ("contact.properties.seats / (contact.properties.seats - 12) > 0", false),
        ] {
            assert_eq!(Rule::compile(rule, &definitions()).unwrap().holds(&contact()), expected, "{rule}");
        }
    }

    #[test]
    fn a5_a_rule_that_can_only_go_wrong_is_refused_with_its_place() {
        for (rule, line, column) in [
            ("contact.properties.nosuch == 'x'", 1, 19),
            ("contact.email == 'x'", 1, 8),
            ("contact.properties.seats == 'x'", 1, 26),
            ("true &&\n contact.properties.score > 1", 2, 20),
            ("contact.properties.seats", 1, 19),
            ("contact.status =", 1, 16),
            ("", 1, 1),
        ] {
            let error = Rule::compile(rule, &definitions()).unwrap_err();
            assert_eq!((error.line, error.column), (line, column), "{rule}: {error}");
        }
    }

    #[test]
    fn a15_a_rule_is_about_what_it_reads_and_what_it_asks_for() {
        let rule =
            Rule::compile("has(contact.properties.beta) || contact.properties.seats > 1", &definitions());
        let rule = rule.unwrap();
        let about = |name: &str| rule.is_about(&name.parse().unwrap());
        assert!(about("beta") && about("seats") && !about("plan"));
    }
}
