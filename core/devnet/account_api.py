"""The node calls about accounts, contracts' descriptions and chain parameters; nothing here changes the chain."""

from __future__ import annotations

from core.devnet import energy, shapes, wire
from core.devnet.contracts import Contract
from core.devnet.execution import free_net_used
from core.devnet.keys import keccak256
from core.devnet.node_request import Answer, NodeRequest
from core.devnet.state import created, trx
from core.devnet.wire import Json

ACTIVE_OPERATIONS = "7fff1fc0033ec30700000000000000000000000000000000000000000000000000"[:64]
BYTECODE = "60806040"  # the devnet runs Python; the field only has to look like code
TOTAL_NET_LIMIT = 43_200_000_000
TOTAL_ENERGY_LIMIT = 180_000_000_000


def get_account(request: NodeRequest) -> Answer:
    """Answer with an account, {} if it is not activated."""
    address = request.address("address")
    state = request.view.state
    contract = request.chain.machine.contracts.get(address)
    if contract is not None:
        return {"address": shapes.address(address, visible=request.visible), "type": "Contract"}
    if not state.get(created(address)):
        return {}
    shown: Json = {"address": shapes.address(address, visible=request.visible)}
    if balance := state.get(trx(address)):
        shown["balance"] = balance
    shown["create_time"] = state.get(created(address))
    if used := _net_used(request, address):
        shown["free_net_usage"] = used
    return shown | _permissions(address, visible=request.visible) | {"account_resource": {}}


def get_account_resource(request: NodeRequest) -> Answer:
    """Answer with an account's bandwidth and energy; {} if it is not activated."""
    address = request.address("address")
    if not request.view.state.get(created(address)):
        return {}
    return _net(request, address) | _energy(request, address) | {
        "TotalNetLimit": TOTAL_NET_LIMIT,
        "TotalNetWeight": 1,
        "TotalEnergyLimit": TOTAL_ENERGY_LIMIT,
        "TotalEnergyWeight": 1,
    }


def get_account_net(request: NodeRequest) -> Answer:
    """Answer with an account's bandwidth; {} if it is not activated."""
    address = request.address("address")
    if not request.view.state.get(created(address)):
        return {}
    return _net(request, address) | {"TotalNetLimit": TOTAL_NET_LIMIT, "TotalNetWeight": 1}


def get_contract(request: NodeRequest) -> Answer:
    """Answer with a contract and its ABI; {} if there is none at this address."""
    contract = request.chain.machine.contracts.get(request.address("value"))
    return {} if contract is None else _describe(request, contract)


def get_contract_info(request: NodeRequest) -> Answer:
    """Answer with a contract, its runtime code and its energy state; {} if there is none at this address."""
    contract = request.chain.machine.contracts.get(request.address("value"))
    if contract is None:
        return {}
    return {
        "runtimecode": BYTECODE,
        "smart_contract": _describe(request, contract),
        "contract_state": _contract_state(request, contract),
    }


def get_chain_parameters(request: NodeRequest) -> Answer:
    """Answer with the prices and switches a client may ask for."""
    rules = request.chain.rules
    parameters = {
        "getMaintenanceTimeInterval": 21_600_000,
        "getCreateAccountFee": rules.create_account_net_sun,
        "getCreateNewAccountFeeInSystemContract": rules.create_account_sun,
        "getTransactionFee": rules.bandwidth_price_sun,
        "getEnergyFee": energy.price_sun(request.view.state, rules),
        "getMemoFee": rules.memo_fee_sun,
        "getFreeNetLimit": rules.free_net_bytes,
        "getMaxFeeLimit": rules.max_fee_limit_sun,
        "getTotalEnergyLimit": TOTAL_ENERGY_LIMIT,
        "getAllowCreationOfContracts": 1,
        "getAllowDynamicEnergy": 1,
        "getDynamicEnergyMaxFactor": energy.FULL_FACTOR,
    }
    return {"chainParameter": [{"key": key, "value": value} for key, value in parameters.items()]}


def get_energy_prices(request: NodeRequest) -> Answer:
    """Answer with the history of the energy price."""
    return {"prices": energy.price_history(request.view.state, request.chain.rules)}


def validate_address(request: NodeRequest) -> Answer:
    """Answer whether a text is an address, and in which notation."""
    text = request.text("address")
    try:
        wire.parse_address(text)
    except ValueError:
        return {"result": False, "message": "Invalid address"}
    return {"result": True, "message": "Base58check format" if text.startswith("T") else "Hex string format"}


def permission(address: bytes, *, visible: bool) -> Json:
    """Describe the owner permission every account here has: its own key alone."""
    key = {"address": shapes.address(address, visible=visible), "weight": 1}
    return {"permission_name": "owner", "threshold": 1, "keys": [key]}


def _permissions(address: bytes, *, visible: bool) -> Json:
    owner = permission(address, visible=visible)
    active = {"type": "Active", "id": 2} | owner | {"permission_name": "active", "operations": ACTIVE_OPERATIONS}
    return {"owner_permission": owner, "active_permission": [active]}


def _contract_state(request: NodeRequest, contract: Contract) -> Json:
    default = getattr(contract, "energy_factor", 0)
    factor = energy.factor(request.view.state, contract.address, default=default)
    return {"energy_usage": 1} | ({"energy_factor": factor} if factor else {}) | {"update_cycle": 1}


def _net_used(request: NodeRequest, address: bytes) -> int:
    now_ms = request.view.top().timestamp_ms
    return free_net_used(request.view.state, owner=address, now_ms=now_ms, rules=request.chain.rules)


def _net(request: NodeRequest, address: bytes) -> Json:
    used = _net_used(request, address)
    shown = {"freeNetUsed": used} if used else {}
    return shown | {"freeNetLimit": request.chain.rules.free_net_bytes}


def _energy(request: NodeRequest, address: bytes) -> Json:
    state, now_ms = request.view.state, request.view.top().timestamp_ms
    used = energy.used(state, owner=address, now_ms=now_ms, rules=request.chain.rules)
    shown = {"EnergyUsed": used, "EnergyLimit": state.get(energy.stake_slot(address))}
    return {name: value for name, value in shown.items() if value}


def _describe(request: NodeRequest, contract: Contract) -> Json:
    return {
        "bytecode": BYTECODE,
        "consume_user_resource_percent": 100,
        "name": contract.name,
        "origin_address": shapes.address(request.chain.faucet_address, visible=request.visible),
        "abi": {"entrys": list(contract.interface)},
        "origin_energy_limit": 10_000_000,
        "contract_address": shapes.address(contract.address, visible=request.visible),
        "code_hash": keccak256(bytes.fromhex(BYTECODE)).hex(),
    }
