"""What only an Android device has: its properties, its cores, its settings, its two runners."""
