"""Every block of code in the documents is run by a test, or it stands here why it cannot be."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.documents import blocks_of
from tests.processes import ROOT

DOCUMENTS = ["README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]

# By document: how a block begins, and the test that runs it. Where two begin alike, both are run.
RUN_BY = {
    "README.md": {
        "# shop.py": "test_readme.py::test_its_card_moves_survives_its_process_and_is_cancelled",
        "celery -A shop:celery worker": "documents.py::run",
        "$ curl -i": "test_readme.py::test_who_has_no_cookie_is_told_of_no_task",
        "celery = Celery(": "test_docs.py::test_the_readmes_one_setting_makes_a_celery_app_live",
        "from flask import session": (
            "test_docs.py::test_the_readmes_extension_serves_an_owners_tasks"
        ),
        "<script src=": "test_readme.py::test_the_tag_for_any_page_shows_the_card",
        "# report.py": "test_readme.py::test_what_a_task_says_is_shown",
        "# importer.py": "test_readme.py::test_what_goes_on_where_it_was_runs_in_a_test_too",
        "headway serve": "test_named_projects.py::test_the_readmes_project_is_served",
    },
    "docs/away.md": {
        "# shop.py": (
            "test_away_docs.py::test_the_example_keeps_a_browser_until_its_owner_logs_out"
        ),
    },
    "docs/capture.md": {
        "# shop.py": "test_capture_docs.py::test_the_bar_of_a_library_is_the_tasks",
        "# encoder.py": "test_capture_docs.py::test_the_times_of_an_encoder_are_the_bar",
        "# crawl.py": "test_capture_docs.py::test_coroutines_and_processes_count_for_their_task",
    },
    "docs/celery.md": {
        "app.conf.result_backend_transport_options": "test_two_projects.py::client_of",
    },
    "docs/coming-from.md": {
        "# article.py": (
            "test_coming_from.py::test_the_articles_requests_and_keys_work_with_its_own_task"
        ),
        "# orders.py": (
            "test_coming_from.py::"
            "test_celery_progress_reports_to_the_card_and_its_json_answers_as_before"
        ),
        "celery -A shop:celery worker -E": (
            "test_flower.py::test_the_documents_two_commands_show_a_task_in_flower"
        ),
        "# kitchen.py": "test_coming_from.py::test_a_socket_server_of_the_apps_own_works_as_before",
    },
    "docs/files.md": {
        "# reports.py": "test_files_docs.py::test_a_report_is_given_out",
        "$ curl -b jar -O": "test_curl_docs.py::test_a_file_is_downloaded",
        "celery.conf.headway_files": "test_bucket_settings.py::test_the_documents_bucket_is_one",
        "# people.py": "test_uploads_docs.py::test_the_tutorial_says_what_is_seen",
        "# people.csv": "test_uploads_docs.py::test_the_tutorial_says_what_is_seen",
        "celery -A people:celery worker": "documents.py::run",
        "$ curl -b jar -c jar -F": "test_uploads_docs.py::test_what_is_said_without_the_form_works",
        "$ curl -b jar -c jar -i -X": "test_uploads_docs.py::test_what_is_said_of_pieces_works",
        "# test_people.py": "test_uploads_docs.py::test_its_test_passes",
    },
    "docs/forms.md": {
        "# shop.py": "test_forms_docs.py::test_the_tutorial_says_what_is_seen",
        "celery -A shop:celery worker": "documents.py::run",
        "$ curl -i": "test_forms_docs.py::test_the_answer_to_curl_is_what_it_says",
        "# letters.py": "test_start_page.py::test_the_documents_check_looks_into_the_file",
    },
    "docs/languages.md": {
        "# translations/zh-Hans.json": (
            "test_languages_docs.py::test_a_project_speaks_with_texts_of_its_own"
        ),
        "# shop.py": "test_languages_docs.py::test_a_project_speaks_with_texts_of_its_own",
    },
    "docs/own-login.md": {
        "# shop.py": "test_own_login.py::test_a_user_sees_an_export_live_and_another_user_does_not",
        "celery -A shop:celery worker": "documents.py::run",
        "# members.py": (
            "test_flask_login.py::test_who_logs_out_is_shown_nothing_more_by_any_process"
        ),
        "<!-- partner.html -->": (
            "test_own_login.py::test_a_token_shows_it_in_a_page_of_another_origin"
        ),
        "from headway import token": "test_tokens.py::test_the_documents_tokens_can_be_made",
        '{"url": ': "test_own_login.py::test_a_user_shares_a_task_by_a_link_and_withdraws_it",
        "from headway import revoke": "test_revoking.py::test_the_documents_examples_revoke",
    },
    "docs/pages.md": {
        "<!doctype html>\n<title>Your order</title>\n{{": (
            "test_curl_docs.py::test_a_template_shows_a_card_and_the_visitors_list"
        ),
        "<!doctype html>": "test_elements.py::test_the_examples_of_the_document_work",
        "# payment.py": "test_labels.py::test_a_terminal_says_the_labels",
    },
    "docs/parts.md": {
        "# photos.py": (
            "test_parts_docs.py::test_an_album_is_one_card_that_says_which_photo_failed"
        ),
    },
    "docs/priorities.md": {
        "# mailing.py": "test_priorities.py::test_the_example_is_served_as_the_document_says",
    },
    "docs/questions.md": {
        "# imports.py": (
            "test_examples_at_workers.py::test_an_import_deletes_what_it_has_asked_about"
        ),
        "$ curl": "test_curl_docs.py::test_a_question_is_answered",
        "# test_imports.py": "test_questions_docs.py::test_the_example_goes_on_with_each_answer",
    },
    "docs/redis.md": {
        "ACL SETUSER": "test_rights.py::test_records_are_written_and_read_with_these_rights",
    },
    "docs/results.md": {
        "# sales.py": "test_results_docs.py::test_results_are_what_the_document_says",
    },
    "docs/running.md": {
        "# app/tasks/report.py": (
            "test_docs.py::test_the_own_task_is_at_once_on_the_page_that_started_it"
        ),
        "await fetch": "test_docs.py::test_the_own_task_is_at_once_on_the_page_that_started_it",
        ".venv/bin/python -m headway": (
            "test_terminal_ways.py::test_the_documents_command_starts_a_task"
        ),
        "$ curl": "test_docs.py::test_the_articles_requests_are_answered_as_the_page_says",
        "import flask": "test_docs.py::test_an_operator_by_address_sees_the_schedules",
    },
    "docs/schedules.md": {
        "# shop.py": "test_schedules_docs.py::test_the_pages_tasks_run_by_themselves",
        "$ headway": "test_schedules_docs.py::test_the_pages_tasks_run_by_themselves",
    },
    "docs/serve.md": {
        "headway serve": "test_named_projects.py::test_the_readmes_project_is_served",
        "Headway serves": "test_named_projects.py::test_the_readmes_project_is_served",
        "map $http_upgrade": (
            "test_deployed.py::test_a_task_is_live_on_its_user_s_page_and_on_nobody_else_s"
        ),
        "CELERY_RESULT_BACKEND": "test_deployed.py::test_the_code_on_the_page_is_the_examples",
        "task = export": "test_deployed.py::test_the_code_on_the_page_is_the_examples",
        "context[": "test_deployed.py::test_the_code_on_the_page_is_the_examples",
        "celery -A shop worker": "deployed.py::commands",
        "celery -A tasks worker": "deployed.py::commands",
        "# serve.py": "security/test_bare_serving.py::test_slow_clients_keep_nobody_waiting",
    },
    "docs/streams.md": {
        "# answer.py": "test_streams_docs.py::test_a_models_words_are_streamed",
        "$ curl": "test_curl_docs.py::test_a_stream_is_read",
        "# explain.py": "test_markdown_docs.py::test_an_explanation_is_markdown",
        "# build.py": "test_overflow_docs.py::test_a_long_output_is_a_file",
    },
    "docs/terminal.md": {
        "# shop.py": "test_terminal_docs.py::test_the_pages_examples_say_what_it_says",
        "$ headway -A shop answer": (
            "test_curl_docs.py::test_a_question_is_answered_in_a_terminal"
        ),
        "$ ": "test_terminal_docs.py::test_the_pages_examples_say_what_it_says",
    },
    "docs/testing.md": {
        "pip install": "test_extras.py::test_pytest_finds_the_fixtures_of_the_extra_by_itself",
        "AssertionError": (
            "test_testing_docs.py::test_the_message_of_a_failed_assertion_is_as_shown"
        ),
        "# ": "test_testing_docs.py::test_each_of_its_tests_passes_but_the_one_that_is_to_fail",
    },
    "docs/tutorial.md": {
        "# digest.py": "test_tutorial_docs.py::test_it_writes_goes_on_and_asks",
        "celery -A digest:celery worker": "documents.py::run",
        "pkill": "test_tutorial_docs.py::test_it_writes_goes_on_and_asks",
    },
    "docs/unique.md": {
        "# shop.py": "test_unique_docs.py::test_both_commands_are_answered_as_shown",
        "$ curl": "test_unique_docs.py::test_both_commands_are_answered_as_shown",
        "# more.py": "test_unique_docs.py::test_the_other_ways_are_as_said",
    },
}
NOT_RUN = {
    ("README.md", "make wheel\npip install"): (
        "make would set up a clone, with npm: tests/test_supply.py sees what it would run, and "
        "tests/test_wheel.py builds the wheel and installs it in an empty environment"
    ),
    ("README.md", "browser ──"): "a drawing",
    ("docs/away.md", "$ pip install 'headway[push]'"): (
        "no release is at an index: tests/test_extras.py installs each extra of the built wheel"
    ),
    ("docs/performance.md", "make bench"): (
        "a quarter of an hour, alone on a machine: tests/test_bench.py tries its parts"
    ),
    ("docs/running.md", "make run "): (
        "make would run the tests within the tests; tests/test_run.py runs run.py, as `make run`"
    ),
}


def entry_of(document: str, text: str) -> str:
    """Return the key of this block in the tables above, "" if it has none."""
    known = [*RUN_BY.get(document, ()), *(begin for name, begin in NOT_RUN if name == document)]
    return max((each for each in known if text.startswith(each)), key=len, default="")


@pytest.mark.parametrize("document", DOCUMENTS)
def test_each_block_is_run_or_says_why_not(document: str):
    texts = [each.text for each in blocks_of(document)]

    unknown = [text.splitlines()[0] for text in texts if not entry_of(document, text)]
    stale = {*RUN_BY.get(document, ())} - {entry_of(document, text) for text in texts}

    assert (unknown, stale) == ([], set())


def test_what_is_not_run_is_in_a_document():
    for document, beginning in NOT_RUN:
        assert any(each.text.startswith(beginning) for each in blocks_of(document)), beginning


@pytest.mark.parametrize("document", RUN_BY)
def test_the_test_that_is_named_is_there_and_reads_the_document(document: str):
    for node in RUN_BY[document].values():
        file, _, name = node.partition("::")
        text = (ROOT / "tests" / file).read_text()
        functions = [
            each.name for each in ast.walk(ast.parse(text)) if isinstance(each, ast.FunctionDef)
        ]
        assert name in functions, node
        if file != "documents.py":
            assert Path(document).name in text, f"{node} does not name {document}"
