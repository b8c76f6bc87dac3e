"""Feature losses, off by default: they lower MobileNet students below training without a teacher.

CIFAR-100, MobileNetV2 from a VGG13 or ResNet50: 64.6 % alone, attention 59, FitNet 63-64, RKD 64.4.
They suit students of the teacher's own family, and an ablation can show their effect.
"""
