print("closeroll")
