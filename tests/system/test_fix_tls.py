"""The line to a gateway over TLS: who is there is checked, and all goes through it."""

import ssl
from pathlib import Path

import pytest

import fix_exchange as fx
from fix_venue import VARIABLE, FixVenue
from served import certified
from tapewire.live import orders as said
from tapewire.live.brokers.conformance import ConformanceBench


def test_a_gateway_is_spoken_with_only_if_its_certificate_is_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, fx.PASSWORD)
    certificate, key = certified(tmp_path, "ec")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with fx.exchanging(context) as exchange:
        bench = ConformanceBench(FixVenue(exchange, tmp_path / "numbers", tls=True))
        bench.broker.connect()
        down = bench.until(said.BrokerDown)
        assert "self-signed certificate" in down.reason_text
        assert exchange.received == []  # no password went anywhere
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        bench.connect()
        name = bench.rest()
        exchange.trade(name, 5)
        assert bench.until(said.OrderFilled, of=name).leaves_qty == 0
        exchange.cut()
        bench.until(said.BrokerDown)
        bench.connect()
        assert bench.report().is_complete
        bench.close()
        assert exchange.broken == []


def test_a_gateway_that_speaks_no_tls_gets_no_logon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, fx.PASSWORD)
    with fx.exchanging() as exchange:
        bench = ConformanceBench(FixVenue(exchange, tmp_path, tls=True))
        bench.broker.connect()
        assert "can't be reached" in bench.until(said.BrokerDown).reason_text
        bench.close()
        assert exchange.received == []
