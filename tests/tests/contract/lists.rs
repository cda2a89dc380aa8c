//! The paging laws (AIP-158), for every method that takes a page size and a page token.

use std::collections::{BTreeMap, HashSet};

use prost::Message;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, ReflectMessage, Value};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::laws::set;
use crate::seed;
use crate::values::{Values, is_required};
use crate::world::{Method, TENANT, World, methods, told};

/// Lists that seeding cannot fill: nothing is parked unless something is broken.
const EMPTY: [&str; 1] = ["ListParked"];

/// All lists of all services.
fn lists() -> Vec<Method> {
    let paged = |method: &Method| {
        let input = method.0.input();
        input.get_field_by_name("page_size").is_some() && input.get_field_by_name("page_token").is_some()
    };
    let lists: Vec<_> = methods().into_iter().filter(paged).collect();
    assert!(lists.len() > 15, "all lists are there");
    lists
}

/// What selects, beside the page.
fn filters(list: &Method) -> Vec<FieldDescriptor> {
    list.0.input().fields().filter(|field| !field.name().starts_with("page_")).collect()
}

/// The filled tenant, and who may list in it and in another.
struct Lists {
    world: World,
    values: Values,
    token: String,
    other_tenant: String,
}

/// One page: its items, and the token of the next.
type Page = (Vec<Vec<u8>>, String);

impl Lists {
    async fn new() -> anyhow::Result<Self> {
        let world = World::start()?;
        let ids = seed::fill(&world).await?;
        let (token, other_tenant) = (world.all_scopes_of(TENANT), world.all_scopes_of("test-other"));
        Ok(Self { world, values: Values { ids }, token, other_tenant })
    }

    fn request(&self, list: &Method, page_size: i32, page_token: &str) -> DynamicMessage {
        let mut request = self.values.least(&list.0.input());
        request.set_field_by_name("page_size", Value::I32(page_size));
        request.set_field_by_name("page_token", Value::String(page_token.to_owned()));
        request
    }

    async fn page(&self, list: &Method, request: &DynamicMessage) -> Result<Page, Status> {
        let answer = self.world.call(list, &self.token, std::slice::from_ref(request)).await?.remove(0);
        let items = answer.descriptor().fields().find(FieldDescriptor::is_list).unwrap();
        let items = answer.get_field(&items).as_list().unwrap().to_vec();
        let items = items.iter().map(|item| item.as_message().unwrap().encode_to_vec()).collect();
        let next = answer.get_field_by_name("next_page_token").unwrap().as_str().unwrap().to_owned();
        Ok((items, next))
    }

    /// All items by pages of a size, and the tokens on the way.
    async fn all(&self, list: &Method, page_size: i32) -> (Vec<Vec<u8>>, Vec<String>) {
        let (mut all, mut tokens) = (Vec::new(), Vec::new());
        let mut token = String::new();
        loop {
            let (items, next) = self.page(list, &self.request(list, page_size, &token)).await.unwrap();
            let size = usize::try_from(page_size).unwrap();
            assert!(items.len() <= size, "{}: more than asked for", list.path());
            assert!(next.is_empty() || items.len() == size, "{}: a page that is not full", list.path());
            all.extend(items);
            if next.is_empty() {
                return (all, tokens);
            }
            token.clone_from(&next);
            tokens.push(next);
        }
    }

    async fn refused(&self, list: &Method, request: &DynamicMessage, token: &str, what: &str) {
        let listed = self.world.call(list, token, std::slice::from_ref(request)).await;
        let Err(status) = listed else { panic!("{} takes {what}: {request}", list.path()) };
        let expected = (Code::InvalidArgument, "INVALID_PAGE_TOKEN".to_owned());
        assert_eq!(told(&status), expected, "{}: {what}: {request}", list.path());
    }
}

/// The value that a filter is changed to; another than what is asked for without it.
fn changed(values: &Values, filter: &FieldDescriptor) -> Value {
    match (filter.kind(), is_required(filter)) {
        (Kind::String, true) => match filter.name() {
            "campaign_id" => Value::String("summer".to_owned()),
            "order_id" => Value::String("o-2".to_owned()),
            "journey" => Value::String("plain".to_owned()),
            "attribution_id" => Value::String(values.ids.attributions[1].clone()),
            other => panic!("{}: no other value of {other} is known", filter.full_name()),
        },
        // whom it is about
        (Kind::Message(message), true) => {
            let mut other = values.least(&message);
            set(&mut other, "email", "bob@example.com");
            Value::Message(other)
        }
        _ if filter.name() == "days" => Value::I32(2),
        _ => values.one(filter),
    }
}

#[tokio::test]
async fn every_list_is_the_same_whatever_the_size_of_its_pages() -> anyhow::Result<()> {
    let lists_of = Lists::new().await?;
    for list in lists() {
        let (all, tokens) = lists_of.all(&list, 1000).await;
        let filled = !EMPTY.contains(&list.0.name());
        assert!(all.len() >= 3 || !filled, "{} has {} items: seed more", list.path(), all.len());
        assert!(tokens.is_empty(), "{}", list.path());
        let distinct: HashSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len(), "{} has an item twice", list.path());
        for size in [1, 2] {
            assert!(lists_of.all(&list, size).await.0 == all, "{} differs by pages of {size}", list.path());
        }
        let (default, _) = lists_of.page(&list, &lists_of.request(&list, 0, "")).await?;
        assert!(default == all[..all.len().min(100)], "{}: the default page", list.path());
    }
    Ok(())
}

#[tokio::test]
async fn a_page_token_is_of_one_tenant_one_list_and_one_query_and_undamaged() -> anyhow::Result<()> {
    let lists_of = Lists::new().await?;
    let mut tokens = BTreeMap::new();
    for list in lists().iter().filter(|list| !EMPTY.contains(&list.0.name())) {
        let token = lists_of.all(list, 1).await.1.remove(0);
        tokens.insert(list.path(), token);
    }
    for list in lists() {
        for (of, token) in &tokens {
            if *of != list.path() {
                let request = lists_of.request(&list, 1, token);
                lists_of.refused(&list, &request, &lists_of.token, &format!("a token of {of}")).await;
            }
        }
        let Some(token) = tokens.get(&list.path()) else { continue };
        let request = lists_of.request(&list, 1, token);
        lists_of.refused(&list, &request, &lists_of.other_tenant, "a token of another tenant").await;
        for filter in filters(&list) {
            let mut request = request.clone();
            request.set_field(&filter, changed(&lists_of.values, &filter));
            let what = format!("a token of another {}", filter.name());
            lists_of.refused(&list, &request, &lists_of.token, &what).await;
        }
        for damaged in damaged(token) {
            let request = lists_of.request(&list, 1, &damaged);
            lists_of
                .refused(&list, &request, &lists_of.token, &format!("the damaged token {damaged:?}"))
                .await;
        }
    }
    Ok(())
}

/// A token cut, lengthened, and with another letter at its beginning, in its middle and at its end.
fn damaged(token: &str) -> Vec<String> {
    let mut damaged =
        vec![token[1..].to_owned(), token[..token.len() - 1].to_owned(), format!("{token}A"), "%".to_owned()];
    for at in [0, token.len() / 2, token.len() - 1] {
        let mut other = token.to_owned();
        other.replace_range(at..=at, if token.as_bytes()[at] == b'Q' { "g" } else { "Q" });
        damaged.push(other);
    }
    damaged
}

#[tokio::test]
async fn a_page_size_below_zero_or_above_the_most_is_refused() -> anyhow::Result<()> {
    let lists_of = Lists::new().await?;
    for list in lists() {
        for size in [-1, 1001, i32::MIN, i32::MAX] {
            let status = lists_of.page(&list, &lists_of.request(&list, size, "")).await.unwrap_err();
            let expected = (Code::InvalidArgument, "INVALID_FIELD".to_owned());
            assert_eq!(told(&status), expected, "{}: {size}", list.path());
            let fields = status.get_error_details().bad_request().unwrap().field_violations.clone();
            assert_eq!(
                fields.iter().map(|f| f.field.as_str()).collect::<Vec<_>>(),
                ["page_size"],
                "{}",
                list.path()
            );
        }
    }
    Ok(())
}

/// What the contract says above a field.
fn comment(field: &FieldDescriptor) -> String {
    let file = field.parent_file();
    let file = file.file_descriptor_proto();
    let mut places = file.source_code_info.as_ref().unwrap().location.iter();
    places.find(|place| place.path == field.path()).unwrap().leading_comments().to_owned()
}

#[tokio::test]
async fn every_filter_names_in_the_contract_the_fields_it_takes() -> anyhow::Result<()> {
    let lists_of = Lists::new().await?;
    let mut filtered = 0;
    for list in lists() {
        let Some(field) = list.0.input().get_field_by_name("filter") else { continue };
        let mut request = lists_of.request(&list, 1, "");
        request.set_field(&field, Value::String("no-such-field = 1".to_owned()));
        let status = lists_of.page(&list, &request).await.unwrap_err();
        let names = status.message().strip_prefix("filter at character 1: expected one of ").unwrap();
        let comment = comment(&field);
        let (_, named) = comment.split_once("Fields:").unwrap();
        let words: HashSet<_> = named.split(|c: char| c.is_whitespace() || ",()".contains(c)).collect();
        let words: HashSet<_> = words.iter().map(|word| word.trim_end_matches('.')).collect();
        for name in names.split(", ") {
            // what the tenant defines is named by its form
            let name = if name.starts_with("properties.") { "`properties.name`" } else { name };
            assert!(words.contains(name), "{} takes {name}, and does not say so", field.full_name());
        }
        filtered += 1;
    }
    assert_eq!(filtered, 5);
    Ok(())
}
