"""The machine that draws orders of events for records: see tests/test_record_machine.py."""
