"""The names of the blocks that agent harnesses put into user turns."""

from typing import NamedTuple

AGENTS_FILE = "AGENTS.md"
IDE_CONTEXT = "IDE context"
INTERRUPTED = "interrupted"
REFERENCED_FILES = "referenced files"
"""Blocks that are not tags; `scope.envelopes` knows their first and last lines."""


class Harness(NamedTuple):
    """The blocks of one agent harness, by the names of their tags."""

    name: str
    own: frozenset[str] = frozenset()
    """Envelopes whose names people hardly use: removed from every user turn."""
    shared: frozenset[str] = frozenset()
    """Envelopes whose names people use in prompts of their own: removed only from a turn of this
    harness."""
    words: frozenset[str] = frozenset()
    """Blocks with what the human wrote: in a turn of this harness only their text counts."""
    names_results: bool = False
    """Whether results of tools come as text, below ``[read_file for 'a'] Result:``."""


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


HARNESSES = (
    Harness(
        "Claude Code, opencode",
        own=_names(
            "system-reminder system-notification task-notification teammate-message "
            "command-name command-message command-args command-contents "
            "local-command-caveat local-command-stdout local-command-stderr "
            "bash-input bash-stdout bash-stderr ide_opened_file ide_selection ide_diagnostics "
            "user-prompt-submit-hook user-memory-input available-deferred-tools"
        )
        | {INTERRUPTED},
    ),
    Harness(
        "Codex",
        own=_names(
            "environment_context extension_context goal_context "
            "codex_internal_context turn_aborted user_shell_command subagent_notification "
            "recommended_plugins hook_prompt"
        )
        | {AGENTS_FILE, IDE_CONTEXT},
        shared=_names("user_instructions skill"),
    ),
    Harness(
        "Cline, Roo Code, Kilo Code",
        own=_names("environment_details"),
        shared=_names(
            "explicit_instructions file_content final_file_content folder_content url_content "
            "workspace_diagnostics git_working_state git_commit terminal_output"
        ),
        words=_names("task feedback answer user_message"),
        names_results=True,
    ),
    Harness(
        "Cursor",
        own=_names(
            "system_reminder open_and_recently_viewed_files manually_attached_skills "
            "agent_transcripts mcp_file_system"
        ),
        shared=_names(
            "user_info git_status rules agent_skills attached_files image_files additional_data "
            "project_layout timestamp hooks_context"
        ),
        words=_names("user_query"),
    ),
    Harness(
        "GitHub Copilot",
        own=_names(
            "reminderInstructions environment_info workspace_info editorContext "
            "userMemory sessionMemory repoMemory"
        ),
        shared=_names("context attachments toolReferences"),
        words=_names("userRequest"),
    ),
    Harness(
        "Antigravity",
        own=_names("ADDITIONAL_METADATA USER_SETTINGS_CHANGE"),
        words=_names("USER_REQUEST"),
    ),
    Harness("Gemini CLI", own=_names("session_context") | {REFERENCED_FILES}),
    Harness(
        "OpenHands",
        own=_names(
            "EXTRA_INFO RUNTIME_INFORMATION REPOSITORY_INFO REPOSITORY_INSTRUCTIONS "
            "CONVERSATION_INSTRUCTIONS"
        ),
    ),
    Harness("goose", own=_names("info-msg")),
)
"""The harnesses whose envelopes are known.

Notes
-----
Seen in 2025 and 2026 in the sources of the harnesses (openai/codex, cline/cline,
RooCodeInc/Roo-Code, microsoft/vscode-copilot-chat, google-gemini/gemini-cli), and for the others
in code and tests of public projects that read their transcripts.
"""
