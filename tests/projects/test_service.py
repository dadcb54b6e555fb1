"""Projects, keys and addresses: identity, secrets shown once, clear refusals."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from core.errors import (
    AddressTaken, EgressBlocked, InvalidAddress, InvalidField, InvalidWebsite, MisconfiguredHub, NotFound, WebsiteTaken,
)
from core.hub import Hub
from core.ids import Mode
from core.models import Credential, Endpoint, Project
from core.projects import receiving, service
from core.projects.keys import credential_place, inbound_secrets, outbound_secret
from core.projects.vault import Vault
from core.testing.factories import make_shop


def test_a_new_project_is_in_test_mode_with_two_key_pairs(hub: Hub):
    with hub.database.transaction() as session:
        merchant = service.create_merchant(session, hub, name="  Ada   Lovelace ")
        made = service.create_project(session, hub, merchant_id=merchant.id, name="Shop")

    assert (merchant.name, made.project.mode, made.project.website_host) == ("Ada Lovelace", "test", None)
    assert made.keys["test"].public_key.startswith("pk_test_") and made.keys["test"].secret.startswith("sk_test_")
    assert made.keys["live"].public_key.startswith("pk_live_") and made.keys["live"].secret.startswith("sk_live_")


@pytest.mark.parametrize("website", ["http://www.Shop.example.com:80/other", "https://SHOP.example.com./x"])
def test_u22_one_website_belongs_to_one_project_across_all_merchants(hub: Hub, website: str):
    make_shop(hub, website="https://shop.example.com")

    with pytest.raises(WebsiteTaken):
        make_shop(hub, website=website)


def test_setting_its_own_website_again_is_fine(hub: Hub):
    shop = make_shop(hub)

    with hub.database.transaction() as session:
        project = service.get_project(session, shop.project_id)
        service.set_website(session, hub, project, "https://www.shop.example.com/en")
        assert (project.website_host, project.website_url) == ("shop.example.com", "https://www.shop.example.com/en")


def test_loopback_websites_need_the_development_setting(hub: Hub):
    with pytest.raises(InvalidWebsite):
        make_shop(hub, website="http://127.0.0.1:8082")


def test_a_webhook_url_that_leads_inside_is_refused_when_set(hub: Hub):
    with pytest.raises(EgressBlocked):
        make_shop(hub, webhook_url="https://127.0.0.1/hook")


def test_changing_the_webhook_url_keeps_the_secret(hub: Hub):
    shop = make_shop(hub)

    with hub.database.transaction() as session:
        again = service.set_webhook(
            session, hub, service.get_project(session, shop.project_id), "https://new.example.net/hook"
        )
        assert (again, session.scalars(select(Endpoint)).one().url) == (None, "https://new.example.net/hook")


def test_a12_outbound_keeps_the_old_secret_until_promotion_or_a_day(hub: Hub, clock):
    shop = make_shop(hub)
    with hub.database.transaction() as session:
        project = service.get_project(session, shop.project_id)
        fresh = service.rotate_key(session, hub, project, Mode.LIVE).secret
        credential = service.credential_of(session, project, Mode.LIVE)
        old = shop.keys["live"].secret

        during = outbound_secret(credential, hub.vault, now=clock.now())
        both = inbound_secrets(credential, hub.vault, now=clock.now())
        service.promote_key(session, project, Mode.LIVE)
        promoted = outbound_secret(credential, hub.vault, now=clock.now())
        clock.advance(minutes=24 * 60)
        after = inbound_secrets(credential, hub.vault, now=clock.now())

    assert (during, both, promoted, after) == (old, [fresh, old], fresh, [fresh])


def test_a9_a_ciphertext_moved_to_another_row_does_not_open(hub: Hub):
    shop = make_shop(hub)
    with hub.database.snapshot() as session:
        rows = session.scalars(select(Credential).where(Credential.project_id == shop.project_id)).all()

    with pytest.raises(MisconfiguredHub):
        hub.vault.open(rows[0].secret, place=credential_place(rows[1].public_key))


def test_a10_every_master_key_opens_and_the_first_seals():
    old, new = ("old", bytes(32)), ("new", bytes(range(32)))
    sealed = Vault((old,)).seal("sk", place="p")

    both = Vault((new, old))

    assert both.open(sealed, place="p") == "sk"
    assert both.seal("sk", place="p").startswith(b"v1:new:")
    with pytest.raises(MisconfiguredHub):
        Vault((new,)).open(sealed, place="p")


def test_an_address_belongs_to_one_merchant(hub: Hub):
    shop, other = make_shop(hub), make_shop(hub, website="https://other.example.net")

    with pytest.raises(AddressTaken), hub.database.transaction() as session:
        receiving.add_address(session, hub, merchant_id=other.merchant_id, address=shop.address.base58)


@pytest.mark.parametrize(
    ("address", "error"),
    [
        ("", InvalidAddress),
        ("TXYZopYRdj2D9XRtbG411XZZ3kM5VkAeBg", InvalidAddress),
        ("0x" + "11" * 20, InvalidAddress),
        ("T9yD14Nj9j7xAB4dbGeiX9h8unkKHxuWwb", InvalidField),
        ("TXYZopYRdj2D9XRtbG411XZZ3kM5VkAeBf", InvalidField),
    ],
)
def test_t56_a_wrong_address_is_refused(hub: Hub, address: str, error: type[Exception]):
    shop = make_shop(hub, with_address=False)

    with pytest.raises(error), hub.database.transaction() as session:
        receiving.add_address(session, hub, merchant_id=shop.merchant_id, address=address)


@pytest.mark.parametrize("name", ["", "   ", "x" * 101, "a\u202eb"])
def test_names_are_short_and_printable(hub: Hub, name: str):
    with pytest.raises(InvalidField), hub.database.transaction() as session:
        service.create_merchant(session, hub, name=name)


def test_what_is_missing_is_not_found(hub: Hub):
    with pytest.raises(NotFound), hub.database.transaction() as session:
        service.get_project(session, 7)
    with pytest.raises(NotFound), hub.database.transaction() as session:
        service.create_project(session, hub, merchant_id=7, name="Shop")


def test_disabling_keeps_its_first_time(hub: Hub, clock):
    shop = make_shop(hub)
    with hub.database.transaction() as session:
        project = session.get_one(Project, shop.project_id)
        service.disable(project, hub)
        first = project.disabled_at
        clock.advance(minutes=1)
        service.disable(project, hub)
        assert project.disabled_at == first
        service.enable(project)
        assert project.disabled_at is None
