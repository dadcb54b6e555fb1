"""The node's HTTP API as a table: which call answers on which root. `/walletsolidity` sees only solid blocks."""

from __future__ import annotations

from collections.abc import Callable

from core.devnet import account_api, block_api, transaction_api
from core.devnet.ledger import Chain
from core.devnet.lies import HONEST, Outlook
from core.devnet.node_request import Answer, NodeFault, NodeRequest
from core.devnet.wire import Json

Call = Callable[[NodeRequest], Answer]
BOTH_ROOTS: dict[str, Call] = {
    "getnowblock": block_api.get_now_block,
    "getblock": block_api.get_block,
    "getblockbynum": block_api.get_block_by_num,
    "getblockbyid": block_api.get_block_by_id,
    "getblockbylimitnext": block_api.get_block_by_limit_next,
    "gettransactionbyid": block_api.get_transaction_by_id,
    "gettransactioninfobyid": block_api.get_transaction_info_by_id,
    "gettransactioninfobyblocknum": block_api.get_transaction_info_by_block_num,
    "gettransactioncountbyblocknum": block_api.get_transaction_count_by_block_num,
    "getnodeinfo": block_api.get_node_info,
    "listwitnesses": block_api.list_witnesses,
    "getaccount": account_api.get_account,
    "getenergyprices": account_api.get_energy_prices,
    "triggerconstantcontract": transaction_api.trigger_constant_contract,
    "estimateenergy": transaction_api.estimate_energy,
}
FULL_ROOT: dict[str, Call] = BOTH_ROOTS | {
    "getaccountresource": account_api.get_account_resource,
    "getaccountnet": account_api.get_account_net,
    "getcontract": account_api.get_contract,
    "getcontractinfo": account_api.get_contract_info,
    "getchainparameters": account_api.get_chain_parameters,
    "validateaddress": account_api.validate_address,
    "triggersmartcontract": transaction_api.trigger_smart_contract,
    "getsignweight": transaction_api.get_sign_weight,
    "broadcasttransaction": transaction_api.broadcast_transaction,
    "broadcasthex": transaction_api.broadcast_hex,
}
ROOTS: dict[str, dict[str, Call]] = {"wallet": FULL_ROOT, "walletsolidity": BOTH_ROOTS}


def answer(chain: Chain, *, root: str, name: str, params: Json, outlook: Outlook = HONEST) -> Answer | None:
    """Answer one call as one base path sees the chain; None if there is no such call.

    A fault inside is {"Error": …}, as on the real node.
    """
    call = ROOTS.get(root, {}).get(name)
    if call is None:
        return None
    with chain.lock:
        view = chain.view(solid=root == "walletsolidity", lag=outlook.lag, lies=outlook.lies)
        request = NodeRequest(chain, view, params, outlook)
        try:
            return call(request)
        except NodeFault as fault:
            return {"Error": str(fault)}
