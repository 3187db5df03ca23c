"""Passwords, tokens, roles, rates and sealed keys of the server."""

import asyncio
import base64
import json
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapewire.errors import ConfigError
from tapewire.services.auth import (
    KeyRing,
    PasswordHasher,
    Passwords,
    Permission,
    RateLimiter,
    SealedKey,
    TokenIssuer,
    may,
    new_refresh_token,
    permissions_of,
    token_digest,
)
from tapewire.services.auth.passwords import CONCURRENT_MAX
from tapewire.services.auth.tokens import ACCESS_S, BadTokenError

SECRET = bytes(range(32))
NOW_S = 1_760_000_000.0


# --- roles ----------------------------------------------------------------------------------------


def test_the_table_of_the_specification():
    research = {Permission.GENERATE, Permission.BACKTEST, Permission.OPTIMIZE}
    for role, allowed, denied in (
        ("admin", set(Permission), set()),
        ("trader", research | {Permission.LIVE, Permission.READ}, {Permission.ADMINISTER}),
        ("researcher", research | {Permission.READ}, {Permission.LIVE, Permission.ADMINISTER}),
        ("viewer", {Permission.READ}, set(Permission) - {Permission.READ}),
    ):
        assert all(may(role, one) for one in allowed), role
        assert not any(may(role, one) for one in denied), role


def test_an_unknown_role_may_nothing():
    assert not any(may("root", one) for one in Permission)
    with pytest.raises(ConfigError, match="expected one of admin, trader, researcher, viewer"):
        permissions_of("Admin")


# --- passwords ------------------------------------------------------------------------------------


def test_a_password_fits_its_hash_alone():
    hasher = PasswordHasher()
    kept = hasher.hashed("correct horse battery")
    assert kept.startswith("$argon2id$")
    assert kept != hasher.hashed("correct horse battery")
    assert hasher.fits(kept, "correct horse battery")
    assert not hasher.fits(kept, "correct horse batterY")
    assert not hasher.fits(None, "the password of nobody at all")
    assert not hasher.fits("no hash", "correct horse battery")
    assert not hasher.is_outdated(kept)
    older = "$argon2id$v=19$m=8,t=1,p=1$MDEyMzQ1Njc$w2b3LtNfFTY"
    assert hasher.is_outdated(older)


@pytest.mark.parametrize(("length", "found"), [(11, "11"), (1_025, "1,025")])
def test_passwords_have_bounds(length: int, found: str):
    with pytest.raises(ConfigError, match=f"12 to 1,024 characters, found {found}"):
        PasswordHasher().hashed("x" * length)


def test_no_more_hashes_at_a_time_than_stated():
    class Slow(PasswordHasher):
        def __init__(self) -> None:
            self.now, self.most, self.lock = 0, 0, threading.Lock()

        def fits(self, kept: str | None, password: str) -> bool:
            with self.lock:
                self.now += 1
                self.most = max(self.most, self.now)
            time.sleep(0.01)
            with self.lock:
                self.now -= 1
            return True

    slow = Slow()

    async def many() -> list[bool | None]:
        passwords = Passwords(slow, waiting_max=8)
        return await asyncio.gather(*(passwords.fits("kept", "given") for _ in range(20)))

    answers = asyncio.run(many())
    assert slow.most == CONCURRENT_MAX
    assert answers.count(True) == 8
    assert answers.count(None) == 12  # sent away, rather than queued without end


# --- tokens ---------------------------------------------------------------------------------------


def issuer(at_s: float = NOW_S, secret: bytes = SECRET) -> TokenIssuer:
    return TokenIssuer(secret, lambda: at_s)


def test_a_token_has_the_claims_of_the_specification():
    token = issuer().issue("7", "Ada", "ada@example.com", "trader", version=3)[0]
    payload = token.split(".")[1]
    said = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    assert {"sub", "name", "email", "role", "exp", "iat"} <= set(said)
    claims = issuer().claims(token)
    assert (claims.user_id, claims.name, claims.role) == ("7", "Ada", "trader")
    assert (claims.version, claims.session) == (3, 0)
    assert claims.expires_s - claims.issued_s == ACCESS_S
    assert claims.token_id != issuer().claims(issuer().issue("7", "Ada", "", "trader")[0]).token_id


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def test_forged_tokens_are_refused():
    token = issuer().issue("7", "Ada", "", "viewer")[0]
    head, payload, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    promoted = part({**claims, "role": "admin"})
    for forged in (
        f"{head}.{promoted}.{signature}",
        f"{part({'alg': 'none', 'typ': 'JWT'})}.{promoted}.",
        f"{part({'alg': 'HS512', 'typ': 'JWT'})}.{payload}.{signature}",
        f"{head}.{payload}.{signature[:-4]}",
        f"{head}.{payload}",
        "",
        "a.b.c",
        issuer(secret=SECRET[::-1]).issue("7", "Ada", "", "admin")[0],
    ):
        with pytest.raises(BadTokenError, match="log in again"):
            issuer().claims(forged)


def test_tokens_end_and_do_not_begin_early():
    token = issuer().issue("7", "Ada", "", "viewer")[0]
    assert issuer(NOW_S + ACCESS_S - 1).claims(token)
    with pytest.raises(BadTokenError, match="expired 60 s ago"):
        issuer(NOW_S + ACCESS_S + 60).claims(token)
    with pytest.raises(BadTokenError, match="100 s in the future"):
        issuer(NOW_S - 100).claims(token)


def test_a_short_secret_is_refused():
    with pytest.raises(ConfigError, match="at least 32 bytes, found 31"):
        TokenIssuer(SECRET[:31], lambda: NOW_S)


def test_refresh_tokens_are_kept_as_digests():
    one, other = new_refresh_token(), new_refresh_token()
    assert one != other
    assert len(base64.urlsafe_b64decode(one + "=")) == 32
    assert token_digest(one) == token_digest(one) != token_digest(other)
    assert one not in token_digest(one)


# --- rates ----------------------------------------------------------------------------------------


@given(st.lists(st.floats(0, 3), min_size=1, max_size=60), st.integers(1, 5))
def test_a_bucket_beside_a_slow_twin(waits_s: list[float], burst: int):
    now_s, rate = 0.0, 2.0
    limiter = RateLimiter(rate, burst, lambda: now_s)
    tokens, seen_s = float(burst), 0.0
    for wait_s in waits_s:
        now_s += wait_s
        tokens, seen_s = min(burst, tokens + (now_s - seen_s) * rate), now_s
        waits = limiter.wait_s("ada")
        if tokens >= 1:
            tokens -= 1
            assert waits == 0
        else:
            assert waits == pytest.approx((1 - tokens) / rate)


def test_everybody_has_a_bucket_and_buckets_are_bounded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tapewire.services.auth.rates.BUCKETS_MAX", 3)
    limiter = RateLimiter(1.0, 1, lambda: 0.0)
    assert limiter.wait_s("ada") == 0
    assert limiter.wait_s("ada") == 1
    assert [limiter.wait_s(name) for name in ("bob", "cy", "dan")] == [0, 0, 0]
    assert len(limiter) == 3


# --- sealed keys ----------------------------------------------------------------------------------


def test_a_sealed_key_opens_for_its_owner_alone():
    ring = KeyRing({"2026": SECRET})
    sealed = ring.seal(b"exchange secret", "7")
    assert b"exchange" not in sealed.ciphertext
    assert ring.open(sealed, "7") == b"exchange secret"
    altered = bytes([sealed.ciphertext[0] ^ 1]) + sealed.ciphertext[1:]
    for owner, one in (("8", sealed), ("7", SealedKey("2026", sealed.nonce, altered))):
        with pytest.raises(ConfigError, match="expected one of this owner"):
            ring.open(one, owner)


def test_keys_are_changed_one_after_the_other():
    old = KeyRing({"2026": SECRET})
    sealed = old.seal(b"exchange secret", "7")
    both = KeyRing({"2027": SECRET[::-1], "2026": SECRET})
    assert not both.is_newest(sealed)
    again = both.seal(both.open(sealed, "7"), "7")
    assert both.is_newest(again)
    assert KeyRing({"2027": SECRET[::-1]}).open(again, "7") == b"exchange secret"
    with pytest.raises(ConfigError, match="expected the key '2027'"):
        old.open(again, "7")


def test_keys_of_the_environment():
    text = f"b:{base64.b64encode(SECRET).decode()}, a:{base64.b64encode(SECRET[::-1]).decode()}"
    assert KeyRing.of_text(text).seal(b"x", "7").key_id == "b"
    for wrong, told in (
        ("", "expected id:base64 as part 1"),
        ("b", "expected id:base64 as part 1"),
        ("b:%%%", "expected base64 as key 'b'"),
        ("b:AAAA", "expected 32 bytes as key 'b', found 3"),
        (f"{text},b:AAAA", "found 'b' twice"),
    ):
        with pytest.raises(ConfigError, match=told):
            KeyRing.of_text(wrong)
