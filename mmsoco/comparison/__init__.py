"""Compare starts under one protocol, with error bars.

A plan (`plan`) names data, starts, label budgets and seeds. Its cells
(`cells`) are run one by one (`harness`), each in a separate process (`work`)
that gets a task (`tasks`), and each leaves a JSON record (`records`). A
fingerprint says what the result of a cell depends on (`identity`). Statistics
and report are made only from the records.
"""
