scripted = "set by a script"
print("the script runs")
