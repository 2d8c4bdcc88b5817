"""What a ready server prints."""

import socket

from service.server.announcement import Announcement


def test_the_snippet_and_the_page_have_the_url() -> None:
    text = Announcement("127.0.0.1", 8000).text()
    assert text.startswith("Serving at http://127.0.0.1:8000/ (samples to browse; /status has what limits training;")
    assert 'with loader("http://127.0.0.1:8000", seed=7, batch_size=48) as batches:' in text
    assert "token" not in text


def test_a_server_for_all_networks_names_a_page_for_here_and_a_url_for_others() -> None:
    text = Announcement("0.0.0.0", 8000).text()
    assert "Serving at http://127.0.0.1:8000/" in text
    assert f'loader("http://{socket.gethostname()}:8000"' in text


def test_tls_token_and_prefix_are_in_the_snippet() -> None:
    text = Announcement("::1", 443, tls=True, token=True, root_path="/sampler").text()
    assert 'loader("https://[::1]:443/sampler", seed=7, batch_size=48, ca="ca.pem")' in text
    assert "set SAMPLER_TOKEN or SAMPLER_TOKEN_FILE there" in text
