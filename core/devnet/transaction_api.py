"""The node calls that simulate, build, weigh and broadcast transactions."""

from __future__ import annotations

from core.clock import to_millis
from core.devnet import account_api, keys, shapes, wire
from core.devnet.contracts import Contract, Outcome, Result
from core.devnet.execution import MESSAGES, Code, Rejected
from core.devnet.node_request import Answer, NodeFault, NodeRequest
from core.devnet.state import created
from core.devnet.wire import Json

LIFETIME_MS = 60_000  # of transactions the node builds
REFUSALS = {Code.DUP_TRANSACTION_ERROR: "Dup transaction.", Code.TAPOS_ERROR: "Tapos check error."}


def trigger_constant_contract(request: NodeRequest) -> Answer:
    """Simulate a call. A revert still says result: true; only message and FAILED tell (spec tron.md, section 3)."""
    contract = _contract(request)
    if contract is None:
        return _no_contract(request)
    outcome = _simulate(request, contract)
    if outcome.result is Result.OUT_OF_TIME:
        return _refusal(request, Code.OTHER_ERROR, MESSAGES[Result.OUT_OF_TIME])
    failed = outcome.result is not Result.SUCCESS
    shown: Json = {
        "result": _simulation_result(request, outcome),
        "energy_used": outcome.energy,
        **({"energy_penalty": outcome.penalty} if outcome.penalty else {}),
        "constant_result": [outcome.output.hex()],
        "transaction": {"ret": [{"ret": "FAILED"} if failed else {}], **_built(request)},
    }
    if outcome.logs:
        shown["logs"] = [shapes.log_entry(log, visible=request.visible) for log in outcome.logs]
    return shown


def estimate_energy(request: NodeRequest) -> Answer:
    """Simulate a call and answer with the energy alone."""
    contract = _contract(request)
    if contract is None:
        return _no_contract(request)
    outcome = _simulate(request, contract)
    result = _simulation_result(request, outcome)
    return {"result": result, "energy_required": outcome.energy}


def trigger_smart_contract(request: NodeRequest) -> Answer:
    """Build an unsigned call, without simulating it."""
    if _contract(request) is None:
        return _no_contract(request)
    return {"result": {"result": True}, "transaction": _built(request)}


def get_sign_weight(request: NodeRequest) -> Answer:
    """Weigh a transaction's signatures against its owner's key; the txid comes with the answer."""
    tx = _read(request)
    shown: Json = {}
    result: Json = {"code": "PERMISSION_ERROR", "message": "Account does not exist!"}
    if request.view.state.get(created(tx.owner)):
        approved = [address for signature in tx.signatures if (address := _signer(tx, signature)) == tx.owner]
        shown["permission"] = account_api.permission(tx.owner, visible=request.visible)
        shown |= {"current_weight": 1} if approved else {}
        shown |= {"approved_list": [shapes.address(tx.owner, visible=request.visible)]} if approved else {}
        result = {} if approved else {"code": "NOT_ENOUGH_PERMISSION"}
    inner = shapes.unmined_transaction(tx, visible=request.visible)
    wrapped = {"result": {"result": True}, "txid": tx.txid.hex(), "transaction": inner}
    return shown | {"result": result, "transaction": wrapped}


def broadcast_transaction(request: NodeRequest) -> Answer:
    """Take a transaction given in JSON; a failure's message is hex unless visible."""
    tx = _read(request)
    try:
        _take(request, tx)
    except Rejected as refusal:
        message = shapes.message(refusal.sentence, visible=request.visible)
        return {"code": str(refusal.code), "txid": tx.txid.hex(), "message": message}
    return {"result": True, "txid": tx.txid.hex()}


def broadcast_hex(request: NodeRequest) -> Answer:
    """Take a transaction given as serialized bytes; the message is always text."""
    try:
        tx = wire.read_signed(request.bytes_of("transaction"))
    except wire.Malformed as err:
        raise NodeFault(f"class com.google.protobuf.InvalidProtocolBufferException : {err}") from err
    shown = {"txid": tx.txid.hex(), "transaction": request.text("transaction")}
    try:
        _take(request, tx)
    except Rejected as refusal:
        return {"result": False, "code": str(refusal.code), "message": refusal.sentence} | shown
    return {"result": True, "code": "SUCCESS", "message": ""} | shown


def _take(request: NodeRequest, tx: wire.Transaction) -> None:
    """Take a transaction in, or refuse it as told; the last of these comes after it was taken (java-tron)."""
    code = request.outlook.refusal
    if code not in (None, Code.NOT_ENOUGH_EFFECTIVE_CONNECTION):
        assert code is not None
        raise Rejected(code, REFUSALS.get(code, code.capitalize().replace("_", " ") + "."))
    request.chain.broadcast(tx)
    if code is not None:
        raise Rejected(code, "P2P broadcast failed.")


def _read(request: NodeRequest) -> wire.Transaction:
    try:
        return wire.from_json(request.params)
    except wire.Malformed as err:
        raise NodeFault(f"class org.tron.json.JsonFormat$ParseException : {err}") from err


def _signer(tx: wire.Transaction, signature: bytes) -> bytes | None:
    try:
        return keys.recover(digest=tx.txid, signature=signature)
    except keys.BadSignature:
        return None


def _contract(request: NodeRequest) -> Contract | None:
    return request.chain.machine.contracts.get(request.address("contract_address"))


def _calldata(request: NodeRequest) -> bytes:
    function = request.text("function_selector")
    if not function:
        return request.bytes_of("data")
    return keys.keccak256(function.encode())[:4] + request.bytes_of("parameter")


def _simulate(request: NodeRequest, contract: Contract) -> Outcome:
    return request.chain.machine.simulate(
        state=request.view.state,
        contract=contract,
        caller=request.address("owner_address"),
        data=_calldata(request),
        value_sun=request.number("call_value"),
    )


def _simulation_result(request: NodeRequest, outcome: Outcome) -> Json:
    if outcome.result is Result.SUCCESS:
        return {"result": True}
    return {"result": True, "message": shapes.message(MESSAGES[outcome.result], visible=request.visible)}


def _built(request: NodeRequest) -> Json:
    """Show the unsigned transaction the node makes of a call."""
    top = request.sight(solid=False).top()
    terms = wire.Terms(
        ref_block_id=top.block_id,
        expiration_ms=top.timestamp_ms + LIFETIME_MS,
        timestamp_ms=to_millis(request.chain.clock.now()),
        fee_limit_sun=request.number("fee_limit"),
        permission_id=request.number("Permission_id"),
    )
    raw = wire.build_trigger(
        owner=request.address("owner_address"),
        contract=request.address("contract_address"),
        data=_calldata(request),
        terms=terms,
    )
    return {"visible": request.visible} | shapes.unmined_transaction(wire.read(raw), visible=request.visible)


def _no_contract(request: NodeRequest) -> Json:
    return _refusal(
        request, Code.CONTRACT_VALIDATE_ERROR, "Contract validate error : Smart contract is not exist."
    )


def _refusal(request: NodeRequest, code: Code, sentence: str) -> Json:
    return {"result": {"code": str(code), "message": shapes.message(sentence, visible=request.visible)}}
