"""Tokens at rest."""

import pytest

from gmail.vault import Tampered, Vault, WrongKey

OLD, NEW = "an old sample secret of some length", "a new sample secret of some length"


def test_what_is_sealed_opens_again_and_shows_nothing() -> None:
    sealed = Vault([NEW]).seal("1//sample-token ü")
    assert Vault([NEW]).open(sealed) == "1//sample-token ü"
    assert sealed.startswith("k1:")
    assert "sample" not in sealed
    assert Vault([NEW]).seal("1//sample-token ü") != sealed


def test_after_a_rotation_old_seals_open_and_are_told_from_new_ones() -> None:
    sealed = Vault([OLD]).seal("token")
    rotated = Vault([NEW, OLD])
    assert rotated.open(sealed) == "token"
    assert not rotated.is_current(sealed)
    assert rotated.is_current(rotated.seal(rotated.open(sealed)))
    assert Vault([NEW]).open(rotated.seal("token")) == "token"


def test_a_wrong_key_is_loud_and_names_the_key_that_is_missing() -> None:
    """Scenario 102."""
    sealed = Vault([OLD]).seal("token")
    with pytest.raises(WrongKey, match=r"app\.secret_keys") as wrong:
        Vault([NEW]).open(sealed)
    assert wrong.value.key_id == sealed.split(":")[1]


@pytest.mark.parametrize("broken", ["{0}:{1}:", "{0}:{1}:A{2}", "k2:{1}:{2}", "{0}:{2}", "{1}:{2}"])
def test_a_changed_seal_is_not_opened(broken: str) -> None:
    vault = Vault([NEW])
    with pytest.raises(Tampered):
        vault.open(broken.format(*vault.seal("token").split(":")))


@pytest.mark.parametrize("text", ["", "token", "ya29.sample", ":::", "k1"])
def test_plain_text_is_never_handed_back_as_if_opened(text: str) -> None:
    """Scenario 102."""
    with pytest.raises(Tampered):
        Vault([NEW]).open(text)


@pytest.mark.parametrize("keys", [[], [""], [NEW, ""]])
def test_a_vault_without_a_key_does_not_exist(keys: list[str]) -> None:
    with pytest.raises(ValueError, match="needs a key"):
        Vault(keys)


def test_a_garbled_key_id_is_never_told_as_if_it_were_a_key() -> None:
    _, _, ciphertext = Vault([NEW]).seal("token").split(":")
    with pytest.raises(Tampered):
        Vault([NEW]).open(f"k1:ya29.part-of-a-token:{ciphertext}")


def test_a_vault_tells_which_keys_it_opens_and_which_it_seals_with() -> None:
    rotated = Vault([NEW, OLD])
    assert rotated.key_ids == {Vault([NEW]).current, Vault([OLD]).current}
    assert rotated.current == Vault([NEW]).current
    assert rotated.seal("token").startswith(rotated.mark)
