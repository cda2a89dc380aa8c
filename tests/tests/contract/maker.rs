//! Makes messages from their descriptors: well-formed, and as wild as is asked for.

use std::collections::HashMap;

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, Value};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use crate::seed::{JOURNEYS, program};
use crate::values::{Values, is_needed, is_required, one_of, rule, rules};

/// Texts that some layer may not like.
const TEXTS: [&str; 24] = [
    "",
    " ",
    "\0",
    "a\0b",
    "\u{7f}",
    "\r\n\t",
    "\u{85}\u{2028}\u{feff}",
    "𝔘𝔫𝔦 🦀👩‍👩‍👧 e\u{301}",
    "\u{202e}cba",
    "' OR 1=1; --",
    "%_\\",
    "{}",
    "{\"a\":null}",
    "NULL",
    "-1",
    "9223372036854775808",
    "NaN",
    "1e400",
    "../../etc/passwd",
    "a@b",
    "@",
    "x@é.example",
    "00000000-0000-0000-0000-000000000000",
    "{00000000-0000-7000-8000-000000000001}",
];

/// Seconds of timestamps: both ends of what can be said, of the calendar and of Postgres, and what lies beyond.
const SECONDS: [i64; 12] = [
    0,
    -1,
    1_735_689_600,
    1_735_776_000,
    -62_135_596_800,
    -62_135_596_801,
    253_402_300_799,
    253_402_300_800,
    -210_866_803_200,
    9_224_318_016_000,
    i64::MIN,
    i64::MAX,
];

/// What follows `definition:`, apart from journeys and programs that are right or nearly so.
const DEFINITIONS: [&str; 8] = [
    "a: &a [*a, *a]",
    "- - - -",
    "journey: {a: b}",
    "journey: j\ncampaigns: [spring]\nstages:\n  - stage: s\n    enter_on: [{event: order.recorded, when: '1 / 0 == order.revenue_minor % 0'}]",
    "journey: j\ncampaigns: [spring]\nstages:\n  - stage: s\n    enter_on: [{event: order.recorded, when: 'order.nosuch.deeper[99].x'}]",
    "program: p\ncampaign: spring\nrules: []",
    "program: p\ncampaign: spring\neffective_from: 9999-12-31\nrules: [{key: k, journey: way, stage: bought, action: CREATE, \
     beneficiary: ADVOCATE, amount: {fixed: 92233720368547758.07 USD}, hold: 99999999d}]",
    "program: p\ncampaign: spring\nrules: [{key: k, journey: way, stage: bought, action: CREATE, beneficiary: ADVOCATE, \
     amount: {percent: 1e30%}}]",
];

/// Filters that some list takes, and some that none does.
const FILTERS: [&str; 12] = [
    "",
    "campaign_id = spring",
    "status = ENROLLED OR tags:vip",
    "contact_id:* AND -contact_id = '00000000-0000-7000-8000-000000000001'",
    "state != ACTIVE",
    "revenue >= 99999999999999999999.999999999 OR outcome = UNRESOLVED",
    "-(amount <= -0.00001 amount.currency_code:*)",
    "occurred_at >= 0001-01-01T00:00:00Z occurred_at < 9999-12-31T23:59:59.999999Z",
    "attempts < 9223372036854775807 transitions > -9223372036854775808",
    "email = 'x' OR tags:'\\n'",
    "NOT (NOT (source = \"\\\"\u{feff}🦀%_\"))",
    "campaign_id = (",
];

/// Makes messages.
pub(crate) struct Maker {
    random: StdRng,
    values: Values,
    /// How many values of a hundred are wild ones.
    wild: u32,
    is_tame: bool,
}

impl Maker {
    /// Of all kinds.
    pub(crate) fn new(values: Values, seed: u64) -> Self {
        Self { random: StdRng::seed_from_u64(seed), values, wild: 0, is_tame: false }
    }

    /// Never wild.
    pub(crate) fn tame(values: Values) -> Self {
        Self { is_tame: true, ..Self::new(values, 1) }
    }

    /// What the contract asks for at least.
    pub(crate) fn least(&self, descriptor: &MessageDescriptor) -> DynamicMessage {
        self.values.least(descriptor)
    }

    /// Any message; some are wild throughout, some in a place or two, and some not at all, to get further.
    pub(crate) fn message(&mut self, descriptor: &MessageDescriptor) -> DynamicMessage {
        self.wild = if self.is_tame { 0 } else { *[0, 3, 10, 30, 90].choose(&mut self.random).unwrap() };
        self.make(descriptor)
    }

    fn percent(&mut self, chance: u32) -> bool {
        self.random.random_range(0..100) < chance
    }

    fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of.choose(&mut self.random).unwrap().clone()
    }

    fn make(&mut self, descriptor: &MessageDescriptor) -> DynamicMessage {
        match descriptor.full_name() {
            "google.protobuf.Timestamp" => return self.timestamp(descriptor),
            "google.type.Money" => return self.money(descriptor),
            _ => (),
        }
        let mut message = DynamicMessage::new(descriptor.clone());
        let either = one_of(descriptor);
        let chosen = either.choose(&mut self.random).cloned();
        for field in descriptor.fields() {
            let is_chosen = chosen.as_deref() == Some(field.name());
            let is_other = either.iter().any(|name| name == field.name()) && !is_chosen;
            let chance = match (is_required(&field) || is_chosen, is_other) {
                (true, _) => 100 - self.wild / 10,
                (_, true) => self.wild / 2,
                _ if is_needed(&field) => 90,
                _ => 40,
            };
            if self.percent(chance) {
                let value = self.value(&field);
                message.set_field(&field, value);
            }
        }
        message
    }

    fn value(&mut self, field: &FieldDescriptor) -> Value {
        if field.is_map() {
            let Kind::Message(entry) = field.kind() else { panic!("{}", field.full_name()) };
            let (key, value) = (entry.map_entry_key_field(), entry.map_entry_value_field());
            let count = self.random.random_range(0..3);
            let mut pairs = HashMap::new();
            for _ in 0..count {
                let name = self.text(&key);
                pairs.insert(MapKey::String(name), self.one(&value));
            }
            return Value::Map(pairs);
        }
        if !field.is_list() {
            return self.one(field);
        }
        let most = rules(field).and_then(|rules| rule(&rules, "repeated", "max_items"));
        let least = usize::from(is_needed(field));
        let count = match most {
            Some(Value::U64(most)) if self.percent(self.wild / 10) => usize::try_from(most).unwrap() + 1,
            None if self.percent(self.wild / 15) => 1001,
            _ => self.random.random_range(least..4),
        };
        if count <= 4 {
            return Value::List((0..count).map(|_| self.one(field)).collect());
        }
        let one = self.one(field);
        Value::List(vec![one; count])
    }

    fn one(&mut self, field: &FieldDescriptor) -> Value {
        let is_wild = self.percent(self.wild);
        match field.kind() {
            Kind::Message(message) => Value::Message(self.make(&message)),
            Kind::String => Value::String(self.text(field)),
            Kind::Bool => Value::Bool(self.percent(20)),
            Kind::Enum(values) => {
                let defined: Vec<i32> = values.values().map(|value| value.number()).collect();
                Value::EnumNumber(if is_wild {
                    self.pick(&[-1, 99, i32::MIN, i32::MAX, 0])
                } else {
                    self.pick(&defined)
                })
            }
            Kind::Int32 if is_wild => Value::I32(self.pick(&[-1, 0, 1001, 1_000_001, i32::MIN, i32::MAX])),
            Kind::Int32 => Value::I32(self.pick(&[1, 1, 2, 1000])),
            Kind::Int64 if is_wild => {
                Value::I64(self.pick(&[-1, 0, 315_619_200, 315_619_201, i64::MIN, i64::MAX]))
            }
            Kind::Int64 => Value::I64(self.pick(&[1, 2, 3600])),
            Kind::Bytes if field.full_name().contains("Coupon") => Value::Bytes(self.codes().into()),
            Kind::Bytes if field.full_name().contains("Attributions") => {
                Value::Bytes(self.attributions().into())
            }
            Kind::Bytes if field.full_name().contains("ImportContacts") => {
                Value::Bytes(self.contacts().into())
            }
            Kind::Bytes => Value::Bytes(self.file().into()),
            other => panic!("{}: no value of kind {other:?} is known", field.full_name()),
        }
    }

    fn timestamp(&mut self, descriptor: &MessageDescriptor) -> DynamicMessage {
        let mut message = DynamicMessage::new(descriptor.clone());
        let is_wild = self.percent(self.wild);
        let seconds =
            if is_wild { self.pick(&SECONDS) } else { 1_735_689_600 + self.random.random_range(0..200_000) };
        let nanos = if is_wild {
            self.pick(&[0, 1, 999, 999_999_999, 1_000_000_000, -1, i32::MIN, i32::MAX])
        } else {
            0
        };
        message.set_field_by_name("seconds", Value::I64(seconds));
        message.set_field_by_name("nanos", Value::I32(nanos));
        message
    }

    fn money(&mut self, descriptor: &MessageDescriptor) -> DynamicMessage {
        let mut message = DynamicMessage::new(descriptor.clone());
        let is_wild = self.percent(self.wild);
        let units = [0, 1, -1, 92_233_720_368_547_758, 92_233_720_368_547_759, i64::MIN, i64::MAX];
        let units = if is_wild { self.pick(&units) } else { self.random.random_range(0..1000) };
        let nanos = [0, 1, -1, 999_999_999, 1_000_000_000, i32::MIN, i32::MAX];
        let nanos = if is_wild { self.pick(&nanos) } else { self.pick(&[0, 500_000_000]) };
        let code = if is_wild {
            self.pick(&["JPY", "KWD", "XXX", "usd", "", "US\0", "€€€", "CLF"])
        } else {
            "USD"
        };
        message.set_field_by_name("currency_code", Value::String(code.to_owned()));
        message.set_field_by_name("units", Value::I64(units));
        message.set_field_by_name("nanos", Value::I32(nanos));
        message
    }

    fn text(&mut self, field: &FieldDescriptor) -> String {
        if matches!(field.name(), "definition" | "program") {
            return self.definition();
        }
        if self.percent(self.wild) {
            return self.wild_text(field);
        }
        let number = self.random.random_range(0..6);
        let any = |ids: &[String]| ids.get(number % ids.len().max(1)).cloned();
        let ids = &self.values.ids;
        let text = match field.name() {
            "contact_id" | "beneficiary_id" => any(&ids.contacts),
            "attribution_id" => any(&ids.attributions),
            "run_id" => any(&ids.runs),
            "transition_id" => any(&ids.transitions),
            "reward_id" => any(&ids.rewards),
            "order_id" => Some(format!("o-{number}")),
            "email" => Some(format!("{}@example.com", ["ann", "bob", "eve", "fay", "new", "NEWER"][number])),
            "journey" => Some(["way", "way", "strict", "plain", "plain", "none"][number].to_owned()),
            "stage" => Some(["lead", "bought", "asked", "signed", "one", "two"][number].to_owned()),
            "campaign_id" => {
                Some(["spring", "spring", "spring", "summer", "autumn", "none"][number].to_owned())
            }
            "shortcode" | "code" => {
                Some(["ANN10", "bob10", "CYD10", "NEW10", "?", "N0B0DY"][number].to_owned())
            }
            "request_id" | "uid" | "occurrence_key" => Some(format!("{}-{number}", field.name())),
            "tenant_id" => Some(String::new()),
            "filter" => Some(FILTERS[self.random.random_range(0..FILTERS.len())].to_owned()),
            "key" => Some(["colour", "No", "order_id", "email", "", "revenue"][number].to_owned()),
            "value" => Some("-".to_owned()),
            _ => None,
        };
        text.unwrap_or_else(|| match self.values.one(field) {
            Value::String(text) => text,
            other => panic!("{}: {other:?}", field.full_name()),
        })
    }

    fn wild_text(&mut self, field: &FieldDescriptor) -> String {
        let most = rules(field).and_then(|rules| {
            rule(&rules, "string", "max_bytes").or_else(|| rule(&rules, "string", "max_len"))
        });
        let most = most.map_or(200, |most| usize::try_from(most.as_u64().unwrap()).unwrap());
        match self.random.random_range(0..5) {
            0 => self.pick(&["a", "é", "🦀"]).repeat(most),
            1 => "a".repeat(most + 1),
            2 => "7".repeat(most),
            _ => self.pick(&TEXTS).to_owned(),
        }
    }

    /// A definition that is right, or has a line too few, too many, or another than it should; or something else.
    fn definition(&mut self) -> String {
        if self.percent(self.wild / 2) {
            return match self.random.random_range(0..6) {
                0 => "[".repeat(5000),
                1 => "a: ".repeat(5000),
                2 => format!(
                    "journey: j\ncampaigns: [spring]\nstages: [{{stage: s, enter_on: [{{event: order.recorded, when: '{}1{}'}}]}}]",
                    "(".repeat(3000),
                    ")".repeat(3000)
                ),
                3 => format!(
                    "journey: j\ncampaigns: [spring]\nstages: [{{stage: s, enter_on: [{{event: order.recorded, when: '{}true'}}]}}]",
                    "!".repeat(3000)
                ),
                _ => self.pick(&DEFINITIONS).to_owned(),
            };
        }
        let from =
            self.pick(&["2025-01-01", "2090-01-01", "0001-01-01", "9999-12-31", "2025-01-01T00:00:60Z"]);
        let right = match self.random.random_range(0..4) {
            0 => program("spring", from),
            n => JOURNEYS[n - 1].to_owned(),
        };
        let mut lines: Vec<String> = right.lines().map(str::to_owned).collect();
        if self.percent(self.wild) {
            let at = self.random.random_range(0..lines.len());
            match self.random.random_range(0..4) {
                0 => drop(lines.remove(at)),
                1 => lines.insert(at, lines[at].clone()),
                2 => lines[at] = lines[at].replace(['o', 'e', ':', '0'], self.pick(&TEXTS)),
                _ => lines.insert(at, self.pick(&TEXTS).to_owned()),
            }
        }
        lines.join("\n")
    }

    /// A file of orders.
    fn file(&mut self) -> Vec<u8> {
        let header = "order_id,email,revenue,currency,campaign,shortcode,occurred_at";
        let row = ["f-", "eve@example.com", "12.50", "USD", "spring", "ANN10", "2025-01-01T00:00:00Z"];
        self.csv(header, &row)
    }

    fn codes(&mut self) -> Vec<u8> {
        self.csv("code,campaign,advocate", &["code-", "spring", "ann@example.com"])
    }

    fn attributions(&mut self) -> Vec<u8> {
        let action = self.pick(&["", "ACTIVATE", "DEACTIVATE", "REASSIGN"]);
        let row = ["c", action, "spring", "bob@example.com", "2025-01-02T00:00:00Z"];
        self.csv("contact,action,campaign,advocate_email,occurred_at", &row)
    }

    fn contacts(&mut self) -> Vec<u8> {
        let row = ["u-", "new@example.com", "New", "de-AT", "vip;text", "enrolled", "advocates"];
        self.csv("uid,email,first_name,locale,tags,status,segments", &row)
    }

    /// Some rows like `row`, the first of its cells numbered.
    fn csv(&mut self, header: &str, row: &[&str]) -> Vec<u8> {
        let mut file = format!("{header}\n");
        for n in 0..self.random.random_range(0..4) {
            let mut cells: Vec<String> = row.iter().map(|cell| (*cell).to_owned()).collect();
            cells[0] = format!("{}{n}", row[0]);
            if self.percent(self.wild) {
                let at = self.random.random_range(0..cells.len());
                cells[at] = self.pick(&TEXTS).to_owned();
            }
            file.push_str(&cells.join(","));
            file.push('\n');
        }
        let mut file = file.into_bytes();
        if self.percent(self.wild / 3) {
            let at = self.random.random_range(0..file.len());
            file[at] = self.pick(&[0, 0xff, b'"', b'\n', b'\r']);
        }
        file
    }
}
