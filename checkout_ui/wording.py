"""The sentences of the payment page, one table each; nothing here decides which of them is said."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from core.payments.controls import Scenario
from core.payments.leads import Finding
from core.payments.refund_words import State
from core.payments.state import Anomaly


class PageState(StrEnum):
    """What the page is about; the words are CSS classes and the JSON's `state`.

    CHECKING: the wall clock is past the window, but chain time has not closed it yet.
    """

    WAITING = "waiting"
    CHECKING = "checking"
    DETECTED = "detected"
    PAID = "paid"
    EXPIRED = "expired"
    CANCELED = "canceled"


@dataclass(frozen=True, slots=True)
class Words:
    """A state's headline and the sentence under it."""

    headline: str
    detail: str


WORDS = {
    PageState.WAITING: Words(
        "Waiting for your payment", "This page updates by itself once your transfer is on the network."
    ),
    PageState.CHECKING: Words(
        "Time is up — we are still checking the last blocks",
        "Please do not send anything now. If your transfer is already on its way, it is still being looked for.",
    ),
    PageState.DETECTED: Words("Payment detected", "You may close this page; nothing more is needed from you."),
    PageState.PAID: Words("Paid", "Your payment is final. Thank you."),
    PageState.EXPIRED: Words(
        "This payment has expired",
        "No payment arrived in time. Please do not send anything to the address any more; "
        "order again at the shop to get a new one.",
    ),
    PageState.CANCELED: Words(
        "This payment was canceled",
        "Please do not send anything any more. If you have already sent the exact amount, "
        "it is still being looked for.",
    ),
}

TEST_WORDS = {
    PageState.WAITING: Words(
        "Waiting for a test payment", "Choose how this test payment shall end; this page shows what a real buyer sees."
    ),
    PageState.EXPIRED: Words("This test payment has expired", "Real buyers see this when they did not pay in time."),
    PageState.CANCELED: Words("This test payment was canceled", "Real buyers see this after they cancel."),
    PageState.PAID: Words("Paid", "The test payment is complete; no money has moved."),
}
SCENARIOS = (
    (Scenario.COMPLETE.value, "Complete it"),
    (Scenario.UNDER.value, "Pay too little"),
    (Scenario.OVER.value, "Pay too much"),
    (Scenario.FAIL.value, "Let it fail"),
    (Scenario.EXPIRE.value, "Let it expire"),
)
TEST_FAILED = Words("This test payment has failed", "Your shop is told nothing but sees the status “failed”.")

SENT_BACK = Words(
    "Your money was sent back", "Your transfer did not pay this order; the shop has returned it. Please send no more."
)
GOES_BACK = Words(
    "Your money goes back to you",
    "Your transfer did not pay this order. The shop returns it, or has asked you where to send it.",
)
ASK_THE_SHOP = "Please contact the shop and give it your order number."
NOT_TWICE = "Do not pay again: the shop decides."
PAID_ANOMALIES = {
    Anomaly.OVERPAID: f"More than the exact amount arrived. Your order is paid; for the difference: {ASK_THE_SHOP}",
    Anomaly.DUPLICATE: f"Your order is paid, and then a further transfer arrived. {ASK_THE_SHOP}",
    Anomaly.ACCEPTED: "The shop has accepted your transfer.",
}
OPEN_ANOMALIES = {
    Anomaly.UNDERPAID: f"Less than the exact amount has arrived. {ASK_THE_SHOP}",
}
ENDED_ANOMALIES = {
    Anomaly.LATE: Words(
        "Your transfer arrived too late",
        f"It is recorded for the shop, but this payment had already ended. {ASK_THE_SHOP}",
    ),
    Anomaly.UNDERPAID: Words(
        "Less than the exact amount arrived", f"Your transfer is recorded for the shop. {ASK_THE_SHOP}"
    ),
    Anomaly.DUPLICATE: Words(
        "This order had already been paid or ordered anew",
        f"Your transfer for this payment is recorded for the shop. {ASK_THE_SHOP}",
    ),
    Anomaly.ACCEPTED: Words("The shop has accepted your transfer", "Nothing more is needed from you."),
}

# what a form's answer may say at the top of the page it leads back to; the codes are those of core.errors
NOTES = {
    "transfer_underway": "A transfer for this payment has been detected, so it can no longer be canceled.",
    "payment_closed": "This payment has already ended, so nothing was changed.",
    "node_unavailable": "The demo wallet could not pay: the devnet does not answer. Please try again.",
    "try_again": "That did not work just now. Please try again.",
    "invalid_txid": (
        "That is not a transaction id. It has 64 characters, 0 to 9 and a to f; a link to it in a block explorer "
        "works too."
    ),
    "too_many_tries": "You have tried this several times. Please wait a minute and try again.",
    "demo_wallet_sent": "The demo wallet has sent the exact amount. It will be detected in a moment.",
}
GOOD_NOTES = frozenset({"demo_wallet_sent"})

# what became of a transaction that the buyer has named
FOUND = {
    Finding.ASKED: "We are looking for this transaction.",
    Finding.NOT_FOUND: "Not found yet. A transaction can take a minute to appear; we keep looking.",
    Finding.NOT_FINAL: "Found. It is not final yet: that takes about a minute.",
    Finding.NOT_COUNTED: "Found and final. It is being counted.",
    Finding.COUNTED: "This transaction is counted for this payment.",
    Finding.UNCLEAR: f"Found, but another payment asked for the same amount. {NOT_TWICE} {ASK_THE_SHOP}",
    Finding.AMOUNT_DIFFERS: f"Found, but it brought another amount than asked. {NOT_TWICE} {ASK_THE_SHOP}",
    Finding.COUNTED_ELSEWHERE: f"This transaction is counted for another payment already. {ASK_THE_SHOP}",
    Finding.DECIDED: f"The shop has already decided about this transaction. {ASK_THE_SHOP}",
    Finding.OLDER: "This transaction is older than this payment, so it cannot have paid it.",
    Finding.OTHER_ADDRESS: "This transaction sent USDT to another address than the one of this payment.",
    Finding.OTHER_TOKEN: "This transaction moved no USDT: it sent another coin or token.",
    Finding.FAILED: "This transaction failed on the network, so no USDT has moved.",
    Finding.MISSING: f"This transaction was found, and the shop has been told to look into it. {ASK_THE_SHOP}",
    Finding.GIVEN_UP: (
        "This transaction was not found on the TRON network. Please check the id, and that USDT was sent by TRC20; "
        "then you can name it again."
    ),
}
GOOD_FINDINGS = frozenset({Finding.NOT_FINAL, Finding.NOT_COUNTED, Finding.COUNTED})

WILL_SEND = Words("Thank you", "The shop will send your money to this address. Come back to this page to see it.")
REFUND_WORDS = {
    State.REQUESTED: Words(
        "Where shall your money go?", "The shop wants to send this back to you. Tell it an address of yours."
    ),
    State.ADDRESSED: WILL_SEND,
    State.VERIFYING: Words("Your money is on its way", "The shop has sent it; the network is confirming it."),
    State.VERIFIED: Words("Your money was sent back", "The transfer to your address is final."),
    State.FAILED: WILL_SEND,
    State.CANCELED: Words("This refund was withdrawn", ASK_THE_SHOP),
}
REFUND_OVER = Words("This link has expired", f"No address was left in time. {ASK_THE_SHOP}")
REFUND_MISSING = Words(
    "Refund not found", "There is no refund at this address. It may have been copied incompletely: open the link again."
)
