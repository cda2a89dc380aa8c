"""Records an order with a shortcode and waits for the reward, with clients generated from the protos alone.

  record_order.py ADDRESS TENANT ORDER_ID SHORTCODE     environment: LAUREL_TOKEN, where the services ask for one
"""
import json
import os
import sys

import grpc
from google.rpc.error_details_pb2 import ErrorInfo
from google.type.money_pb2 import Money
from grpc_status import rpc_status
from laurel.attribution.v1.attributions_pb2 import Evidence
from laurel.common.v1.common_pb2 import ContactRef, StreamStart
from laurel.orders.v1.orders_pb2 import NewOrder, RecordOrderRequest
from laurel.orders.v1.orders_pb2_grpc import OrderServiceStub
from laurel.rewards.v1.rewards_pb2 import WatchRewardEventsRequest
from laurel.rewards.v1.rewards_pb2_grpc import RewardServiceStub

address, tenant, order_id, shortcode = sys.argv[1:]
metadata = [("laurel-tenant", tenant)]
if token := os.environ.get("LAUREL_TOKEN"):
    metadata.append(("authorization", f"Bearer {token}"))

# UNAVAILABLE is repeated unchanged: the order's id makes that safe
retry = {"maxAttempts": 5, "initialBackoff": "0.1s", "maxBackoff": "2s", "backoffMultiplier": 2, "retryableStatusCodes": ["UNAVAILABLE"]}
config = {"methodConfig": [{"name": [{}], "retryPolicy": retry}], "loadBalancingConfig": [{"round_robin": {}}]}
channel = grpc.insecure_channel(address, options=[("grpc.service_config", json.dumps(config))])


def reason(error):
    """Why a call was refused, as the enum ErrorReason has it; the code, if it never reached the service."""
    status, info = rpc_status.from_call(error), ErrorInfo()
    told = status and any(detail.Unpack(info) for detail in status.details)
    return info.reason if told else error.code().name


order = NewOrder(
    order_id=order_id,
    customer=ContactRef(email=f"{order_id}@shop.example"),
    revenue=Money(currency_code="USD", units=49, nanos=990_000_000),
    campaign_id="spring",
    evidence=Evidence(shortcode=shortcode),
)
try:
    answer = OrderServiceStub(channel).RecordOrder(RecordOrderRequest(order=order), metadata=metadata, timeout=10)
except grpc.RpcError as error:
    sys.exit(f"{reason(error)}: {error.details()}")
print(f"order {answer.order.order_id}, advocate {answer.order.advocate_id}")

rewards = RewardServiceStub(channel)
request = WatchRewardEventsRequest(start=StreamStart.STREAM_START_BEGINNING, types=["reward_created"])
for batch in rewards.WatchRewardEvents(request, metadata=metadata, timeout=30):
    for event in batch.events:
        reward = event.reward_created.reward
        if reward.order_id == order_id:
            print(f"reward {reward.amount.units} {reward.amount.currency_code} to {reward.beneficiary_id}")
            sys.exit(0)
