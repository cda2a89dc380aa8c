//! `laurel orders properties`, and values of properties as arguments.

use std::collections::HashMap;

use proto::orders::{
    CreateOrderPropertyRequest, DeleteOrderPropertyRequest, GetOrderPropertyRequest,
    ListOrderPropertiesRequest, PropertyValue, UpdateOrderPropertyRequest,
};

use super::super::properties::{COLUMNS, Change, Command, New, PropertyArguments};
use super::super::{Session, call};

pub(super) async fn run(command: Command, session: &Session) -> anyhow::Result<()> {
    match command {
        Command::Create(New { name, r#type, required, personal, description }) => {
            let request = CreateOrderPropertyRequest { name, r#type, required, personal, description };
            session.answer(&call!(session.order_properties.create_order_property(request)))
        }
        Command::Get { name } => {
            let request = GetOrderPropertyRequest { name };
            session.answer(&call!(session.order_properties.get_order_property(request)))
        }
        Command::List { limit } => {
            let page = async |page_size, page_token| {
                let request = ListOrderPropertiesRequest { page_size, page_token };
                let page = call!(session.order_properties.list_order_properties(request));
                anyhow::Ok((page.properties, page.next_page_token))
            };
            session.list(&limit, COLUMNS, page).await
        }
        Command::Update(change) => {
            let update_mask = Some(change.mask());
            let Change { name, required, personal, description } = change;
            let description = description.unwrap_or_default();
            let request = UpdateOrderPropertyRequest { name, update_mask, required, personal, description };
            session.answer(&call!(session.order_properties.update_order_property(request)))
        }
        Command::Delete { name } => {
            let request = DeleteOrderPropertyRequest { name };
            session.answer(&call!(session.order_properties.delete_order_property(request)))
        }
    }
}

/// Values for the wire, each by the type that it is defined with.
pub(super) async fn wire(
    arguments: PropertyArguments,
    session: &Session,
) -> anyhow::Result<HashMap<String, PropertyValue>> {
    if arguments.is_empty() {
        return Ok(HashMap::new());
    }
    let request = ListOrderPropertiesRequest { page_size: 1000, ..Default::default() };
    let defined = call!(session.order_properties.list_order_properties(request)).properties;
    arguments.wire(&defined.into_iter().map(|property| (property.name, property.r#type)).collect())
}
