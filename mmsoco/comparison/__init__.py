"""Does pretraining help? Starts under one protocol, with error bars.

A plan (`plan`) names data, starts, label budgets and seeds. Its cells
(`cells`), whose fingerprints say what their results depend on (`identity`),
are made one by one (`harness`), each in a separate process (`work`) that is
handed a task (`tasks`), and leave a JSON record each (`records`). Statistics
and report are made from the records alone.
"""
